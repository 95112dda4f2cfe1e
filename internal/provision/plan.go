package provision

import "fmt"

// Want is what a host is to have.
type Want struct {
	Sum string // of the program
	// Machine is the kind of machine that the program is for, as uname calls it.
	Machine string
	// Unit is what starts skep, by what starts programs there.
	Unit map[Init]Text
}

// Text is a file's, with its sum.
type Text struct{ Content, Sum string }

// Step is something to do on a host, which does no harm when it is done already.
type Step struct {
	// Name says it to people: "install skep".
	Name string
	// Script does it, with Input.
	Script, Input string
}

// Refuse says why a host cannot become a node, whatever is done there; nil: it can, as far as one sees.
func Refuse(f Found, w Want) error {
	switch {
	case f.System != "Linux":
		return fmt.Errorf("it runs %q: nodes run Linux", f.System)
	case f.Machine != w.Machine && f.Program != w.Sum && f.Staged != w.Sum:
		return fmt.Errorf("it is of the kind %s, and this skep is for %s: name one built for it by --program", f.Machine, w.Machine)
	}
	return nil
}

// NeedsCopy tells whether the program has to be copied to the host.
func NeedsCopy(f Found, w Want) bool { return f.Staged != w.Sum && f.Program != w.Sum }

// Candidate is where the program wanted is on a host that needs no copy of it.
func Candidate(f Found, w Want) string {
	if f.Program == w.Sum {
		return Program
	}
	return Staged
}

// TakeCopy is the script that takes a copied program from its input. What breaks off leaves a file with another sum, which
// is copied anew; the daemon's program is not touched.
func TakeCopy() string {
	return "umask 022\ncat >" + Staged + "\nchmod 755 " + Staged + "\n"
}

// Prepare is what is to be done on a host until its daemon runs; answers tells whether its engine does. A daemon that runs
// is left alone, whatever its version: [Restart] is for those.
func Prepare(f Found, answers bool, w Want) ([]Step, error) {
	var steps []Step
	if !f.Engine && !answers {
		script, err := InstallEngine(f)
		if err != nil {
			return nil, err
		}
		steps = append(steps, Step{Name: "install the Docker Engine", Script: "set -e\n" + script})
	}
	if !answers {
		steps = append(steps, Step{Name: "start the Docker Engine", Script: "set -e\n" + startEngine(f.Init)})
	}
	if f.Running == "" {
		steps = append(steps, install(f, w)...)
		steps = append(steps, Step{Name: "start skep", Script: startSkep(f.Init)})
	} else if !f.Boot {
		steps = append(steps, boot(f.Init))
	}
	return steps, nil
}

// install puts program and unit where they belong.
func install(f Found, w Want) []Step {
	var steps []Step
	if f.Program != w.Sum {
		steps = append(steps, Step{Name: "install skep", Script: "set -e\nmv -f " + Staged + " " + Program + "\nsync " + Program + " 2>/dev/null || sync\n"})
	}
	unit := w.Unit[f.Init]
	if f.Unit != unit.Sum {
		steps = append(steps, Step{Name: "install its service", Script: takeUnit(f.Init), Input: unit.Content})
	}
	if !f.Boot {
		steps = append(steps, boot(f.Init))
	}
	return steps
}

func takeUnit(i Init) string {
	file, mode, then := i.unitFile(), "755", ""
	if i == Systemd {
		mode, then = "644", "systemctl daemon-reload\n"
	}
	return fmt.Sprintf("set -e\numask 022\ncat >%[1]s.new\nchmod %[2]s %[1]s.new\nmv -f %[1]s.new %[1]s\n%[3]s", file, mode, then)
}

func boot(i Init) Step {
	script := "systemctl enable --quiet skep.service\n"
	if i != Systemd {
		script = atBoot("skep")
	}
	return Step{Name: "have it start when the host boots", Script: "set -e\n" + script}
}

func startSkep(i Init) string {
	if i == Systemd {
		return "systemctl start skep.service\n"
	}
	return i.unitFile() + " start\n"
}

// Restart is what has a node go over to the program that was copied to it. Containers run on.
func Restart(f Found, w Want) []Step {
	steps := install(f, w)
	switch {
	case f.Running == "":
		return append(steps, Step{Name: "start skep", Script: startSkep(f.Init)})
	case f.Running == w.Sum:
		return steps
	case f.Init == Systemd:
		return append(steps, Step{Name: "restart skep", Script: "systemctl restart skep.service\n"})
	}
	return append(steps, Step{Name: "restart skep", Script: f.Init.unitFile() + " restart\n"})
}

// Remove is what takes skep from a host. The engine stays, and what it runs.
func Remove(f Found) []Step {
	stop := "if [ -x " + Plain.unitFile() + " ]; then " + Plain.unitFile() + " stop; fi\n"
	clean := `PATH="$PATH:/usr/sbin:/sbin"
rm -f /etc/local.d/skep.start ` + Plain.unitFile() + `
if command -v update-rc.d >/dev/null 2>&1; then update-rc.d skep remove; elif command -v chkconfig >/dev/null 2>&1; then chkconfig --del skep 2>/dev/null || true; fi
`
	if f.Init == Systemd {
		stop = "if systemctl cat skep.service >/dev/null 2>&1; then systemctl disable --now --quiet skep.service; fi\n"
		clean = "rm -f " + Systemd.unitFile() + "\nsystemctl daemon-reload\n"
	}
	return []Step{
		{Name: "stop skep", Script: "set -e\n" + stop},
		{Name: "remove skep", Script: "set -e\n" + removeFiles + clean},
	}
}

// removeFiles removes the program and what it kept. What an engine was told to keep open is let go of first: mounts below
// [RunDir].
const removeFiles = `if grep -q ' ` + DataDir + `/' /proc/mounts; then echo "something is mounted below ` + DataDir + `, whose files would be removed: unmount it, then run this again" >&2; exit 1; fi
rm -f ` + Program + ` ` + Staged + `
sed -n 's|^[^ ]* \(` + RunDir + `/[^ ]*\) .*|\1|p' /proc/mounts | while read -r m; do umount -l "$m" || true; done
rm -rf ` + RunDir + `
if [ -d ` + DataDir + ` ]; then find ` + DataDir + ` -mindepth 1 -delete; rmdir ` + DataDir + ` 2>/dev/null || true; fi
`
