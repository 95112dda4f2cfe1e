package provision

import (
	"strings"

	"github.com/moby/moby/api/types/system"
)

// Places on a host.
const (
	// Program is skep's, and Staged the next one, which is copied beside it and takes its place at once.
	Program = "/usr/bin/skep"
	Staged  = "/usr/bin/skep.new"
	// DataDir keeps the node's part of the cluster.
	DataDir = "/var/lib/skep"
	// RunDir has the daemon's socket, and what is gone when the host boots.
	RunDir = "/run/skep"
	// PidFile holds the number of the daemon where the plain supervisor runs it.
	PidFile = "/run/skep.pid"
)

// Init is what starts programs on a host.
type Init string

// What may start them. Plain is everything but systemd: there skep comes with a supervisor of its own.
const (
	Systemd Init = "systemd"
	Plain   Init = "plain"
)

// unitFile is where what starts skep is kept.
func (i Init) unitFile() string {
	if i == Systemd {
		return "/etc/systemd/system/skep.service"
	}
	return "/etc/init.d/skep"
}

// Found is what was found on a host by [Survey]. Sums are SHA-256, empty where there is no such file or process.
type Found struct {
	System   string `json:"system"`   // Linux
	Machine  string `json:"machine"`  // x86_64
	OS       string `json:"os"`       // debian
	Like     string `json:"like"`     // what it is derived from
	Packages string `json:"packages"` // the package managers that are there, of those that are known
	Init     Init   `json:"init"`
	Staged   string `json:"staged"`  // sum of the program copied last
	Program  string `json:"program"` // sum of the program installed
	Running  string `json:"running"` // sum of the program that the daemon runs
	Unit     string `json:"unit"`    // sum of what starts skep
	Boot     bool   `json:"boot"`    // it does so when the host boots
	Engine   bool   `json:"engine"`  // the Docker Engine is installed
}

// Survey is a shell script that tells what [ParseFound] reads. It changes nothing.
func Survey() string {
	return `set -u
sum() { if [ -e "$1" ]; then sha256sum "$1" 2>/dev/null | cut -d' ' -f1; fi; }
has() { PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }
echo "system=$(uname -s)"
echo "machine=$(uname -m)"
if [ -r /etc/os-release ]; then (. /etc/os-release; echo "os=${ID:-}"; echo "like=${ID_LIKE:-}"); fi
packages=; for p in apt-get dnf yum zypper apk pacman; do if has $p; then packages="$packages $p"; fi; done; echo "packages=$packages"
pid=
if [ -d /run/systemd/system ]; then
  echo init=systemd
  echo "unit=$(sum ` + Systemd.unitFile() + `)"
  if systemctl is-enabled --quiet skep.service 2>/dev/null; then echo boot=yes; fi
  pid=$(systemctl show --property=MainPID --value skep.service 2>/dev/null)
else
  echo init=plain
  echo "unit=$(sum ` + Plain.unitFile() + `)"
  for l in /etc/rc2.d/S*skep /etc/rc.d/rc3.d/S*skep /etc/local.d/skep.start; do if [ -e "$l" ]; then echo boot=yes; break; fi; done
  if [ -r ` + PidFile + ` ]; then pid=$(cat ` + PidFile + `); fi
fi
echo "staged=$(sum ` + Staged + `)"
echo "program=$(sum ` + Program + `)"
case "$pid" in ''|0) ;; *) echo "running=$(sum /proc/$pid/exe)";; esac
if has dockerd; then echo engine=yes; fi
`
}

// ParseFound reads what [Survey] said. Lines it does not know are left aside.
func ParseFound(said string) Found {
	var f Found
	for line := range strings.Lines(said) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "system":
			f.System = value
		case "machine":
			f.Machine = value
		case "os":
			f.OS = value
		case "like":
			f.Like = value
		case "packages":
			f.Packages = strings.TrimSpace(value)
		case "init":
			f.Init = Init(value)
		case "staged":
			f.Staged = value
		case "program":
			f.Program = value
		case "running":
			f.Running = value
		case "unit":
			f.Unit = value
		case "boot":
			f.Boot = value == "yes"
		case "engine":
			f.Engine = value == "yes"
		}
	}
	return f
}

// DaemonVersion is skep's among the versions that a daemon names; empty where it is none of skep's.
func DaemonVersion(all []system.ComponentVersion) string {
	for _, part := range all {
		if part.Name == "skep" {
			return part.Version
		}
	}
	return ""
}

// Quote makes a word of a shell script out of any text.
func Quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@,+") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
