package scale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/skep-org/skep/internal/env"
)

// poll is how often a run looks whether something has come about.
const poll = 50 * time.Millisecond

// endWait is how long a part is given to end before it is killed.
const endWait = 5 * time.Second

// child is a process of a run, as the run has it. It belongs to one goroutine.
type child struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	enc  *json.Encoder
	dec  *json.Decoder
	log  string
	dead bool
}

// start runs a part and returns when it can be asked, with what it had to say in ready.
func start(o Options, name, log string, s setup, ready any) (c *child, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, to run it again: %w", err)
	}
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	c = &child{name: name, log: log, cmd: exec.Command(self, o.Command...)} //nolint:noctx // this program itself; it is ended in order, or killed by its id
	c.cmd.Stderr = out
	// An interrupt from the terminal is for the run, which ends its parts.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	answers, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c.enc, c.dec = json.NewEncoder(c.in), json.NewDecoder(answers)
	if err := c.enc.Encode(s); err != nil {
		return c, c.failed(err)
	}
	return c, c.heard(ready)
}

// ask has a part do something, and reads its answer into data unless that is nil. Parts answer within the time they need.
func (c *child) ask(q question, data any) error {
	if err := c.enc.Encode(q); err != nil {
		return c.failed(err)
	}
	return c.heard(data)
}

func (c *child) heard(data any) error {
	var a answer
	if err := c.dec.Decode(&a); err != nil {
		return c.failed(err)
	}
	if a.Err != "" {
		return fmt.Errorf("%s: %s", c.name, a.Err)
	}
	if data == nil {
		return nil
	}
	return json.Unmarshal(a.Data, data)
}

// failed is why a part does not answer: its last words.
func (c *child) failed(err error) error {
	raw, _ := os.ReadFile(c.log)
	if len(raw) > 2000 {
		raw = raw[len(raw)-2000:]
	}
	return fmt.Errorf("%s does not answer: %w; the end of its log:\n%s", c.name, err, raw)
}

// kill ends a part as a loss of its process does.
func (c *child) kill() error {
	c.dead = true
	if err := c.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill %s: %w", c.name, err)
	}
	_ = c.cmd.Wait() // says that it was killed, and closes the pipes
	return nil
}

// end has a part end, and kills it when it does not.
func (c *child) end() {
	if c.dead {
		return
	}
	c.dead = true
	_ = c.in.Close()
	killer := time.AfterFunc(endWait, func() { _ = c.cmd.Process.Kill() })
	_ = c.cmd.Wait()
	killer.Stop()
}

// pid is the part's process.
func (c *child) pid() int { return c.cmd.Process.Pid }

// until looks again and again until ok, or ctx ends.
func until(ctx context.Context, what string, ok func() (bool, error)) error {
	for {
		done, err := ok()
		if err != nil || done {
			return err
		}
		if env.Real().Pause(ctx, poll) != nil {
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
	}
}
