package guest

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Systemd is the program that is the first process of hosts with it, and its commands of an orderly shutdown and of a host's
// own programs.
const (
	Systemd = "/lib/systemd/systemd"
	// PowerOff is the signal that asks it to shut the host down: SIGRTMIN+4.
	PowerOff = unix.Signal(34 + 4)
	// powerOffNow is SIGRTMIN+14.
	powerOffNow = unix.Signal(34 + 14)

	units = "/usr/lib/systemd/system"
	wants = "/etc/systemd/system"
)

// keptUnits are those of the distribution's that a host with systemd has: what boots it and shuts it down, its log, and the
// engine's. The others are for a machine with disks, consoles and a kernel of its own.
func keptUnits() []string {
	return []string{
		"basic.target", "sysinit.target", "multi-user.target", "local-fs*.target", "remote-fs*.target", "swap.target", "sockets.target",
		"timers.target", "paths.target", "slices.target", "network*.target", "nss-lookup.target", "time-*.target",
		"shutdown.target", "umount.target", "final.target", "poweroff.target", "reboot.target", "halt.target", "exit.target",
		"systemd-poweroff.service", "systemd-reboot.service", "systemd-halt.service", "systemd-exit.service",
		"systemd-journald.service", "systemd-journald.socket", "systemd-journald-dev-log.socket",
		"docker.service", "docker.socket", "containerd.service",
	}
}

// makeSystemd prepares, once in a host's life, what systemd boots: targets, a log, and the host's programs as services.
func (s Spec) makeSystemd(dir string) error {
	if err := removeBut(units, keptUnits()); err != nil {
		return err
	}
	// Generators make units of what the machine starts.
	for _, d := range []string{wants, "/usr/lib/systemd/system-generators", "/etc/systemd/system-generators", "/etc/init.d"} {
		if err := removeBut(d, nil); err != nil {
			return err
		}
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	files := map[string]string{
		"/etc/hostname": s.Name + "\n", "/etc/machine-id": hex.EncodeToString(id) + "\n", "/etc/fstab": "",
		"/etc/systemd/journald.conf": "[Journal]\nReadKMsg=no\nAudit=no\nForwardToSyslog=no\n",
	}
	links := map[string]string{"default.target": "multi-user.target"}
	for _, socket := range []string{"systemd-journald.socket", "systemd-journald-dev-log.socket"} {
		links["sockets.target.wants/"+socket] = socket
	}
	for _, p := range s.Programs {
		files[filepath.Join(wants, "lab-"+p.Name+".service")] = service(dir, p)
		links["multi-user.target.wants/lab-"+p.Name+".service"] = "lab-" + p.Name + ".service"
	}
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	for link, to := range links {
		from := filepath.Join(units, to)
		if strings.HasPrefix(to, "lab-") {
			from = filepath.Join(wants, to)
		}
		link = filepath.Join(wants, link)
		if err := errors.Join(os.MkdirAll(filepath.Dir(link), 0o755), os.Symlink(from, link)); err != nil {
			return err
		}
	}
	return nil
}

// removeBut empties a directory but for what is kept.
func removeBut(dir string, kept []string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		keep := slices.ContainsFunc(kept, func(pattern string) bool {
			ok, _ := filepath.Match(pattern, e.Name())
			return ok
		})
		if keep {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("making the host bare: %w", err)
		}
	}
	return nil
}

// service is a unit of a program of the host.
func service(dir string, p Program) string {
	words := make([]string, len(p.Argv))
	for i, w := range p.Argv {
		words[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$").Replace(w) + `"`
	}
	return fmt.Sprintf("[Service]\nExecStart=%s\nRestart=always\nRestartSec=500ms\nStandardOutput=append:%s\nStandardError=inherit\nKillMode=process\n",
		strings.Join(words, " "), Log(dir, p.Name))
}

// startSystemd has systemd take this process's place, with its arguments, by which it is found. It returns only when that
// fails.
func startSystemd() error {
	// In the machine's root it would take the machine for its own: its first deeds are to empty /tmp and to set the kernel.
	var root unix.Statfs_t
	if err := unix.Statfs("/", &root); err != nil || root.Type != unix.TMPFS_MAGIC {
		return errors.Join(errors.New("systemd is started in a root of the host's own only"), err)
	}
	if err := watchLife(); err != nil {
		return err
	}
	env := []string{
		"container=skep-lab", // it leaves alone what is the machine's: disks, clock, console
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_LOG_TARGET=journal-or-kmsg",
	}
	return fmt.Errorf("starting systemd: %w", unix.Exec(Systemd, append([]string{Systemd}, os.Args[1:]...), env))
}

// watching is set in the environment of the process that watches the lifeline beside systemd.
const watching = "LAB_WATCHING"

// watchLife starts a process that tells the starter once systemd has taken over, and has the host end when the starter dies
// without a word: systemd does not listen to that.
func watchLife() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = null.Close() }()
	unix.CloseOnExec(LifelineFD)
	_, err = syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{
		Env:   append(os.Environ(), watching+"=1"),
		Files: []uintptr{null.Fd(), os.Stdout.Fd(), os.Stderr.Fd(), LifelineFD},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("watching over the host: %w", err)
	}
	return nil
}

// watch is that process. It powers off what it was started by, and nothing else.
func watch() error {
	signal.Reset(unix.SIGTERM) // a shutdown is not to wait for it
	if err := awaitSystemd(); err != nil {
		return err
	}
	if err := tell(Up); err != nil {
		return err
	}
	life := &lifeline{said: bufio.NewScanner(os.NewFile(LifelineFD, "lifeline"))}
	if life.hears(Detach) {
		return nil
	}
	// At once, without stopping what runs. It hears that once it has come so far.
	for {
		if err := unix.Kill(1, powerOffNow); err != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// awaitSystemd waits until the first process is systemd with this process's arguments. While a program takes a process over,
// the process has none.
func awaitSystemd() error {
	want := []byte(Systemd + "\x00" + strings.Join(os.Args[1:], "\x00") + "\x00")
	for deadline := time.Now().Add(cleanLimit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		first, err := os.ReadFile("/proc/1/cmdline")
		if err != nil {
			return err
		}
		if os.Getppid() == 1 && bytes.Equal(first, want) {
			return nil
		}
	}
	return errors.New("systemd has not taken the host over")
}
