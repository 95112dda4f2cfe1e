package provision

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// engineGuide is where people learn what no package manager here does.
const engineGuide = "https://docs.docker.com/engine/install/"

// InstallEngine is the script that installs the Docker Engine by the host's own package manager.
func InstallEngine(f Found) (string, error) {
	is := func(names ...string) bool {
		return slices.ContainsFunc(append([]string{f.OS}, strings.Fields(f.Like)...), func(have string) bool { return slices.Contains(names, have) })
	}
	switch f.Packages {
	case "apt-get":
		// A run that broke off may have left packages half set up, and may still hold the lock.
		return `export DEBIAN_FRONTEND=noninteractive
dpkg --configure -a
apt-get -q -o DPkg::Lock::Timeout=300 update
cli=; if apt-cache show docker-cli >/dev/null 2>&1; then cli=docker-cli; fi
apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends docker.io iptables ca-certificates $cli
`, nil
	case "dnf", "yum":
		switch {
		case f.OS == "fedora":
			return f.Packages + " -y install moby-engine\n", nil
		case f.OS == "amzn":
			return f.Packages + " -y install docker\n", nil
		case is("rhel", "centos"):
			return "", fmt.Errorf("%s has no Docker Engine of its own: install it by Docker's repository (%s), then run this again", f.OS, engineGuide)
		}
	case "zypper":
		return "zypper --non-interactive install docker\n", nil
	case "apk":
		return "apk add docker\n", nil
	case "pacman":
		return "pacman --sync --noconfirm --needed docker\n", nil
	case "":
		return "", errors.New("the Docker Engine is missing, and the host has no package manager that skep knows: install it (" + engineGuide + "), then run this again")
	}
	return "", fmt.Errorf("the Docker Engine is missing, and how %s installs it on %s is not known: install it (%s), then run this again", f.Packages, f.OS, engineGuide)
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
