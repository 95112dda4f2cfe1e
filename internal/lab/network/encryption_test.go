package network

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

const (
	// promisedCipher is how long encrypted networks may be without the process that encrypts, once it was killed.
	promisedCipher = 2 * time.Second
	// rotation is how often the nodes of this test change their keys.
	rotation = 5 * time.Second
	marker   = "this-can-be-read-by-everybody-on-the-wire"
)

// TestEncryption has a lab of its own, whose keys are changed every few seconds: a manager and two workers.
func TestEncryption(t *testing.T) {
	hoststest.NeedRoot(t)
	skep, whoami := *program, hoststest.Build(t, "whoami")
	if skep == "" {
		skep = hoststest.Build(t, "skep")
	}
	lab := hoststest.Up(t, hosts.Config{
		Managers: 1, Workers: 2, Program: skep, Whoami: whoami, DaemonArgs: []string{"--encryption-key-rotation", rotation.String()},
	})
	f := &fixture{lab, t, skep, whoami}
	f.sub("a node without a TUN device", withoutTUN)
	f.overlay("sealed", "--opt", "encrypted", "--attachable")
	f.overlay("plain")
	f.service("left", "--mode", "global", "--network", "sealed", "--network", "plain", "--env", "TASK_NAME=left@{{.Node.Hostname}}")
	f.service("right", "--mode", "global", "--network", "sealed", "--env", "TASK_NAME=right@{{.Node.Hostname}}")
	f.service("open", "--mode", "global", "--network", "plain", "--env", "TASK_NAME=open@{{.Node.Hostname}}")
	f.reachable(f.task("m1", "left"), "http://right:8080/who")
	f.sub("by name and address", encryptedNames)
	f.sub("nothing readable is on the wire", onTheWire)
	f.sub("plain containers", sealedGuests)
	f.sub("published ports", sealedPorts)
	f.sub("keys are changed under load", rekeyed)
	f.sub("the daemon is restarted under load", encryptedRestart)
	f.sub("the process that encrypts is killed", encryptedKill)
	f.clean()
}

// withoutTUN has a node refused the task, with the reason, until it has a TUN device.
func withoutTUN(f *fixture) {
	f.run("w2", "mount", "--bind", "/dev/null", "/dev/net/tun")
	f.must(f.Host("w2").Signal(f.t.Context(), hosts.Daemon, syscall.SIGTERM))
	f.overlay("secret", "--opt", "encrypted")
	f.eventually(settleLimit, func() string {
		f.create("nowhere", "--network", "secret", "--constraint", "node.hostname==w2")
		defer f.docker("m1", "service", "rm", "nowhere")
		said := ""
		for range 20 {
			if said = f.docker("m1", "service", "ps", "--no-trunc", "--format", "{{.CurrentState}} {{.Error}}", "nowhere"); strings.Contains(said, "encrypted networks cannot be carried on 1 node (no TUN device") {
				return ""
			}
			time.Sleep(50 * time.Millisecond)
		}
		return said
	})
	f.create("later", "--network", "secret", "--constraint", "node.hostname==w2")
	f.run("w2", "umount", "/dev/net/tun")
	f.running("later")
	f.clean()
}

func encryptedNames(f *fixture) {
	all := []string{"right@m1", "right@w1", "right@w2"}
	for _, h := range []string{"m1", "w2"} {
		from := f.task(h, "left")
		f.answers(from, 12, all, "http://right:8080/who", "udp://right:8080", "http://tasks.right:8080/who")
	}
	said := f.docker("m1", "network", "inspect", "--format", "{{json .Options}}", "sealed")
	if !strings.Contains(said, `"encrypted":""`) || !strings.Contains(said, "vxlanid_list") {
		f.t.Errorf("the network's options are %s", said)
	}
}

// sealedGuests are plain containers on the network, which reach its services and each other, and are reached.
func sealedGuests(f *fixture) {
	var at []place
	for _, h := range []string{"m1", "w2"} {
		at = append(at, place{h, f.docker(h, "run", "-d", "--label", "test", "--name", "guest-"+h, "--network", "sealed", "--env", "TASK_NAME=guest@"+h, hosts.WhoamiImage)})
	}
	near, far := at[0], at[1]
	f.reachable(near, "http://guest-w2:8080/who")
	for _, from := range at {
		f.answers(from, 12, []string{"right@m1", "right@w1", "right@w2"}, "http://right:8080/who", "udp://right:8080", "http://tasks.right:8080/who")
	}
	f.answers(near, 2, []string{"guest@w2"}, "http://guest-w2:8080/who", "http://"+f.address(far, "sealed")+":8080/who")
	f.answers(f.task("w1", "left"), 2, []string{"guest@m1"}, "http://guest-m1:8080/who")
	f.unreachable(near, "http://"+f.vip("open", "plain")+":8080/who")
}

// sealedPorts publishes a port of a task on w2, by a plain ingress network and by one that is encrypted. Who asks on m1 itself
// has only what goes between the nodes on the wire.
func sealedPorts(f *fixture) {
	publish := func() {
		f.service("entry", "--constraint", "node.hostname==w2", "--publish", "8087:8080")
		f.reachable(outside(), f.numeric([]string{"http://m1:8087/who", "http://w1:8087/who", "http://w2:8087/who"})...)
	}
	seen := func() int {
		end := f.capture()
		f.answers(at("m1"), 12, []string{"entry.1@w2"}, "http://127.0.0.1:8087/who?"+marker)
		return end()
	}
	publish()
	if seen() == 0 {
		f.t.Error("nothing was read on the wire of what a plain ingress network carries: the capture shows nothing")
	}
	f.docker("m1", "service", "rm", "entry")
	f.sealIngress()
	publish()
	if n := seen(); n != 0 {
		f.t.Errorf("the marker was seen %d times on the wire though the ingress network is encrypted", n)
	}
	r := f.answers(outside(), 6, []string{"entry.1@w2"}, f.numeric([]string{"http://m1:8087/who", "http://w1:8087/who", "http://w2:8087/who"})...)
	for _, t := range r.Targets {
		if mine := f.Client().Address.String(); t.Remotes[mine] != t.Requests {
			f.t.Errorf("%s: the server took the client %s for %v", t.URL, mine, t.Remotes)
		}
	}
	f.docker("m1", "service", "rm", "entry")
}

// onTheWire looks for a marker in what passes the switch: it is there on a plain network, and not on an encrypted one.
func onTheWire(f *fixture) {
	from := f.task("m1", "left")
	for url, readable := range map[string]bool{"http://open:8080/who?" + marker: true, "http://right:8080/who?" + marker: false} {
		end := f.capture()
		f.ask(from, 12, url)
		if found := end(); (found > 0) != readable {
			f.t.Errorf("%s: the marker was seen %d times on the wire, and that it is readable is %t", url, found, readable)
		}
	}
}

// rekeyed asks all the while every node changes its key, and changes it again.
func rekeyed(f *fixture) {
	first := f.devices()
	c := f.atRate(f.task("m1", "left"), "http://right:8080/who")
	other := f.atRate(f.task("w2", "left"), "http://tasks.right:8080/who")
	seen := map[string]bool{}
	f.eventually(settleLimit, func() string {
		seen[f.devices()] = true
		if now := f.devices(); now == first || strings.Contains(now, "generation 1\n") || len(seen) < 4 {
			return "the keys are as they were: " + now
		}
		return ""
	})
	f.judge(c, 0)
	f.judge(other, 0)
}

// devices tells the generations of the keys in use.
func (f *fixture) devices() string {
	f.t.Helper()
	out, _, _ := f.try("m1", "sh", "-c", "nsenter --net=/run/skep/netns/encryption ip link | grep alias")
	return out + "\n"
}

func encryptedRestart(f *fixture) {
	c := f.atRate(f.task("w1", "left"), "http://tasks.right:8080/who", "http://right:8080/who")
	manager, worker := f.anew("m1", hosts.Daemon), f.anew("w2", hosts.Daemon)
	f.must(f.Host("m1").Signal(f.t.Context(), hosts.Daemon, syscall.SIGTERM))
	f.must(f.Host("w2").Signal(f.t.Context(), hosts.Daemon, syscall.SIGKILL))
	f.eventually(settleLimit, manager)
	f.eventually(settleLimit, worker)
	f.eventually(settleLimit, func() string {
		_, errs, _ := f.try("m1", "docker", "node", "ls")
		return errs
	})
	f.judge(c, 0)
}

// encryptedKill kills what encrypts on a node: the daemon starts it again, and connections go on.
func encryptedKill(f *fixture) {
	from := f.task("w1", "left")
	addrs := f.lookup(from, "tasks.right")["tasks.right"].Addrs
	killed := time.Now()
	f.run("w1", "pkill", "-9", "-f", "skep wireguard")
	var targets []string
	for _, a := range addrs {
		targets = append(targets, "http://"+a+":8080/who")
	}
	f.eventually(settleLimit, func() string {
		r, err := f.tryAsk(from, 1, 200*time.Millisecond, targets...)
		if err != nil || r.Failures > 0 {
			return fmt.Sprint(err, r)
		}
		return ""
	})
	if took := time.Since(killed); took > within(promisedCipher) {
		f.t.Errorf("it took %v until everybody was reached again", took)
	} else {
		f.t.Logf("everybody was reached again after %v", took)
	}
}

// captureFor has this test's program read what passes, and look for a text.
const captureFor = "SKEP_LAB_CAPTURE_FOR"

// capture looks for the marker in what passes the lab's switch until it is ended; then it says how often it was seen.
func (f *fixture) capture() (end func() int) {
	f.t.Helper()
	self, err := os.Executable()
	f.must(err)
	cmd, err := f.Switch().Command(f.t.Context(), self)
	f.must(err)
	cmd.Env = append(cmd.Env, captureFor+"="+marker)
	in, err := cmd.StdinPipe()
	f.must(err)
	out, err := cmd.StdoutPipe()
	f.must(err)
	cmd.Stderr = os.Stderr
	f.must(cmd.Start())
	_, err = io.ReadFull(out, make([]byte, len(capturing)))
	f.must(err)
	return func() (found int) {
		f.t.Helper()
		time.Sleep(100 * time.Millisecond) // the last packets are still read
		f.must(in.Close())
		said, err := io.ReadAll(out)
		f.must(errors.Join(err, cmd.Wait()))
		packets := 0
		if _, err := fmt.Sscan(string(said), &packets, &found); err != nil || packets == 0 {
			f.t.Fatalf("the capture saw no packets: %q %v", said, err)
		}
		return found
	}
}

const capturing = "capturing\n"

// captureHere reads all packets of this network namespace until standard input ends, and says how many there were and how many
// had a text in them.
func captureHere(text string) error {
	const everything = 0x0300 // ETH_P_ALL, in the network's order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, everything)
	if err != nil {
		return err
	}
	fmt.Print(capturing)
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	packets, found, buf := 0, 0, make([]byte, 1<<17)
	for {
		n, err := unix.Read(fd, buf)
		switch {
		case err == nil:
			packets++
			if bytes.Contains(buf[:n], []byte(text)) {
				found++
			}
		case errors.Is(err, unix.EAGAIN):
			select {
			case <-ended:
				fmt.Println(packets, found)
				return nil
			case <-time.After(time.Millisecond):
			}
		default:
			return err
		}
	}
}
