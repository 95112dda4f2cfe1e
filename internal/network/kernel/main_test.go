package kernel

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"testing"

	"github.com/skep-org/skep/internal/network/wireguard"
	"go.uber.org/goleak"
)

// inside marks the process that runs the tests: it has mounts and a network namespace of its own, so that nothing it
// makes can be left behind or meet what is on the machine.
const inside = "SKEP_KERNEL_TEST_INSIDE"

func TestMain(m *testing.M) {
	if len(os.Args) == 8 && os.Args[1] == "wireguard" { // as the daemon starts itself
		mtu, _ := strconv.Atoi(os.Args[7])
		if err := wireguard.Serve(context.Background(), wireguard.Options{Name: os.Args[3], Namespace: os.Args[5], MTU: mtu}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if os.Getenv(inside) != "" {
		goleak.VerifyTestMain(m)
		return
	}
	if os.Geteuid() != 0 {
		fmt.Println("skipping: network namespaces can be made by root only")
		return
	}
	os.Exit(again())
}

// again runs this test binary anew, apart from everything.
func again() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inside+"=yes")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	signal.Ignore(syscall.SIGINT) // the process that runs the tests gets it too
	if err := cmd.Run(); err != nil {
		fmt.Println("the tests in a namespace of their own:", err)
		return 1
	}
	return 0
}
