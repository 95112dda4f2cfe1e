package hosts

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/skep-org/skep/internal/lab/hosts/guest"
)

// silentDNS is a loopback address where nothing listens: an image no registry was asked for is refused at once rather
// than after the ten seconds a silent DNS server costs.
const silentDNS = "127.83.75.80"

// lifeline is the writing end of the pipe to a machine's first process; when it closes without "detach", the machine ends.
type lifeline struct{ *os.File }

func (l lifeline) say(word string) error {
	_, err := l.WriteString(word + "\n")
	return err
}

// boot starts a machine's first process in fresh namespaces, plugs it into the switch and returns when its addresses are
// set. After an error nothing of it runs.
func (l *Lab) boot(ctx context.Context, m machine) (life lifeline, err error) {
	dir := l.machineDir(m.Name)
	if err := l.prepare(m); err != nil {
		return life, err
	}
	log, err := os.OpenFile(filepath.Join(dir, guest.InitLog), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return life, err
	}
	defer func() { _ = log.Close() }()
	hears, says, err := os.Pipe()
	if err != nil {
		return life, err
	}
	life = lifeline{says}
	//nolint:noctx // the context bounds the start; the machine lives on
	cmd := exec.Command(l.cfg.Program, InitCommand, dir)
	cmd.Env = rootEnvironment()
	cmd.Stderr = log
	cmd.ExtraFiles = []*os.File{hears}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	_ = hears.Close()
	if err != nil {
		return life, errors.Join(fmt.Errorf("making its namespaces: %w", err), says.Close())
	}
	defer func() {
		if err != nil {
			_ = cmd.Process.Kill()
			_, _ = io.Copy(io.Discard, out)
			_ = says.Close()
			_ = cmd.Wait()
			err = fmt.Errorf("%w; the end of its log: %s", err, lastLines(log.Name(), 2))
			return
		}
		l.reap(cmd, out)
	}()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	return life, errors.Join(l.greet(ctx, m, cmd.Process.Pid, bufio.NewScanner(out), life), ctx.Err())
}

// greet is the starter's side of a start.
func (l *Lab) greet(ctx context.Context, m machine, pid int, said *bufio.Scanner, life lifeline) error {
	if !said.Scan() || said.Text() != guest.Ready {
		return errors.New("its mounts could not be made")
	}
	if m.Role != theSwitch {
		if err := l.plug(ctx, m, pid); err != nil {
			return err
		}
	}
	if err := life.say(guest.Go); err != nil {
		return err
	}
	if !said.Scan() || said.Text() != guest.Up {
		return errors.New("its addresses could not be set")
	}
	run := places(l.machineDir(m.Name)).run()
	if err := os.Remove(run); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(fmt.Sprintf("/proc/%d/root/run", pid), run)
}

// reap collects a machine's first process when it ends, for as long as the process that started it lives.
func (l *Lab) reap(cmd *exec.Cmd, out io.Closer) {
	_ = out.Close()
	l.reaping.Go(func() { _ = cmd.Wait() })
}

// prepare writes the files of a machine that is to start.
func (l *Lab) prepare(m machine) error {
	dir := l.machineDir(m.Name)
	if err := os.MkdirAll(filepath.Join(dir, guest.EtcDocker), 0o755); err != nil {
		return err
	}
	if m.host() && l.cfg.Bare {
		if err := l.prepareBare(m); err != nil {
			return err
		}
	}
	for name, content := range map[string]string{
		guest.ResolvConf: "nameserver " + silentDNS + "\n",
		guest.EtcHosts:   etcHosts(l.machines),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	// The user may write settings of this host's daemon here; the machine's /etc/skep/skep.yaml is not its.
	settings, err := os.OpenFile(filepath.Join(dir, guest.Settings), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(settings.Close(), l.spec(m).Save(dir))
}

// rootEnvironment is the caller's, with a PATH that leads to root's programs.
func rootEnvironment() []string {
	env := guest.Environment()
	for i, kv := range env {
		if strings.HasPrefix(kv, "PATH=") {
			env[i] = kv + ":/usr/local/sbin:/usr/sbin:/sbin"
			return env
		}
	}
	return append(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
}

// within is a command in another process's network namespace, and only there.
func within(ctx context.Context, pid int, name string, args ...string) *exec.Cmd {
	nsenter, err := findProgram("nsenter")
	if err != nil {
		nsenter = "nsenter"
	}
	cmd := exec.CommandContext(ctx, nsenter, append([]string{"--net=/proc/" + strconv.Itoa(pid) + "/ns/net", "--", name}, args...)...)
	cmd.Env = rootEnvironment()
	return cmd
}
