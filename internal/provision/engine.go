package provision

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// engineGuide is where people learn what no package manager here does.
const engineGuide = "https://docs.docker.com/engine/install/"

// family is distributions that install the Docker Engine in the same way.
type family struct {
	ids      []string // as /etc/os-release names them, or what they are like
	managers []string // package managers, the first that is there is taken
	script   string   // %s is the manager; empty: they have no engine of their own
}

// families are looked through by a host's own id, then by those it says to be like, in its order: a derived distribution has its
// parent's package manager, and more than one may be installed.
func families() []family {
	return []family{
		{[]string{"debian", "ubuntu"}, []string{"apt-get"}, aptInstall},
		{[]string{"amzn"}, []string{"dnf", "yum"}, "%s -y install docker\n"},
		{[]string{"rhel", "centos"}, []string{"dnf", "yum"}, ""},
		{[]string{"fedora"}, []string{"dnf"}, "%s -y install moby-engine\n"},
		{[]string{"suse", "opensuse", "sles"}, []string{"zypper"}, "ZYPP_LOCK_TIMEOUT=300 %s --non-interactive install docker\n"},
		{[]string{"alpine"}, []string{"apk"}, "%s --wait 300 add docker\n"},
		{[]string{"arch"}, []string{"pacman"}, "%s --sync --noconfirm --needed docker\n"},
	}
}

// aptInstall goes on where a run broke off: that may have left packages half set up, and may still hold the lock.
const aptInstall = `export DEBIAN_FRONTEND=noninteractive
dpkg --configure -a
%[1]s -q -o DPkg::Lock::Timeout=300 update
cli=; if apt-cache show docker-cli >/dev/null 2>&1; then cli=docker-cli; fi
%[1]s -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends docker.io iptables ca-certificates $cli
`

// InstallEngine is the script that installs the Docker Engine by the host's own package manager.
func InstallEngine(f Found) (string, error) {
	for _, id := range append([]string{f.OS}, strings.Fields(f.Like)...) {
		i := slices.IndexFunc(families(), func(one family) bool { return slices.Contains(one.ids, id) })
		if i < 0 {
			continue
		}
		one := families()[i]
		if one.script == "" {
			return "", fmt.Errorf("%s has no Docker Engine of its own: install it by Docker's repository (%s), then run this again", f.OS, engineGuide)
		}
		for _, manager := range one.managers {
			if slices.Contains(strings.Fields(f.Packages), manager) {
				return fmt.Sprintf(one.script, manager), nil
			}
		}
		return "", fmt.Errorf("the Docker Engine is missing, and so is %s, which installs it on %s: install it (%s), then run this again", strings.Join(one.managers, " or "), f.OS, engineGuide)
	}
	if f.OS == "" {
		return "", errors.New("the Docker Engine is missing, and the host does not say in /etc/os-release what it is: install it (" + engineGuide + "), then run this again")
	}
	return "", fmt.Errorf("the Docker Engine is missing, and how %s installs it is not known: install it (%s), then run this again", f.OS, engineGuide)
}

// startEngine is the script that has the host's init start the engine, now and when it boots.
func startEngine(i Init) string {
	if i == Systemd {
		return "systemctl enable --now docker.service\n"
	}
	return `if command -v rc-service >/dev/null 2>&1; then rc-update add docker default && rc-service docker start; exit; fi
if [ ! -x /etc/init.d/docker ]; then echo "nothing on this host starts the Docker Engine: have its init system run dockerd, then run this again" >&2; exit 1; fi
` + atBoot("docker") + `/etc/init.d/docker start </dev/null >/dev/null
`
}

// atBoot is the part of a script that has a host without systemd start a service when it boots, by whatever does that there.
func atBoot(service string) string {
	return `PATH="$PATH:/usr/sbin:/sbin"
if command -v update-rc.d >/dev/null 2>&1; then update-rc.d ` + service + ` defaults && update-rc.d ` + service + ` enable
elif command -v chkconfig >/dev/null 2>&1; then chkconfig --add ` + service + `
elif command -v rc-update >/dev/null 2>&1 && [ -d /etc/local.d ]; then
  printf '#!/bin/sh\nexec /etc/init.d/` + service + ` start\n' >/etc/local.d/` + service + `.start
  chmod 755 /etc/local.d/` + service + `.start && rc-update add local default
else
  echo "note: nothing starts ` + service + ` when this host boots: have its init system run /etc/init.d/` + service + ` start"
fi
`
}
