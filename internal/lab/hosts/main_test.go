package hosts_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/guest"
)

// Variables that make the test's program something else.
const (
	isolated = "LAB_TEST_ISOLATED" // set in the process that runs the tests
	upThere  = "LAB_TEST_UP"       // make a lab in this directory, then wait to be killed
	systemd  = "LAB_TEST_SYSTEMD"  // its hosts boot systemd
)

// TestMain is several programs: a machine's first process, since the labs of tests run the test's own program; one that
// makes a lab and is killed; the tests, in a network and with mounts of their own, so that nothing but a lab changes
// them.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 3 && os.Args[1] == hosts.InitCommand:
		end(guest.Serve(os.Args[2]))
	case os.Getenv(upThere) != "":
		end(upAndWait(os.Getenv(upThere)))
	case os.Geteuid() != 0 || os.Getenv(isolated) != "":
		goleak.VerifyTestMain(m)
	default:
		cmd := exec.Command(os.Args[0], os.Args[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		cmd.Env = append(os.Environ(), isolated+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
		end(cmd.Run())
	}
}

func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// upAndWait is a `skep lab up` that does not return.
func upAndWait(dir string) error {
	cfg := hosts.Config{Dir: dir, Managers: 1, Workers: 1, DockerSwarm: true, Detached: true, Progress: os.Stdout}
	if os.Getenv(systemd) != "" {
		cfg.DockerSwarm, cfg.Systemd, cfg.Detached = false, true, false
	}
	_, err := hosts.Up(context.Background(), cfg)
	if err == nil {
		time.Sleep(time.Hour)
	}
	return err
}
