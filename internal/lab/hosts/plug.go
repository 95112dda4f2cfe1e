package hosts

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/skep-org/skep/internal/lab/hosts/guest"
)

// onSwitch runs a program in the switch's network, with input.
func (l *Lab) onSwitch(ctx context.Context, input, name string, args ...string) error {
	pid, err := firstProcess(l.machineDir(switchName))
	if err != nil {
		return err
	}
	if pid == 0 {
		return errors.New("the lab's switch does not run, so the lab is broken or was never up: end it with skep lab down")
	}
	cmd := within(ctx, pid, name, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// plug connects a machine to the switch: a port that bears its name there, and guest.Link on its own side.
func (l *Lab) plug(ctx context.Context, m machine, pid int) error {
	// The kernel takes a dead host's links away in its own time.
	if err := l.unplug(ctx, m); err != nil {
		return err
	}
	err := l.onSwitch(ctx, strings.Join([]string{
		"link add " + m.Name + " type veth peer name " + guest.Link + " address " + m.mac() + " netns " + strconv.Itoa(pid),
		"link set " + m.Name + " master " + guest.BridgeName + " up",
	}, "\n"), "ip", "-batch", "-")
	if err != nil {
		return fmt.Errorf("plugging %s into the switch: %w", m.Name, err)
	}
	return l.reapply(ctx, m)
}

// unplug removes a machine's link, if it has one.
func (l *Lab) unplug(ctx context.Context, m machine) error {
	err := l.onSwitch(ctx, "", "ip", "link", "delete", m.Name)
	if err != nil && !strings.Contains(err.Error(), "Cannot find device") {
		return fmt.Errorf("unplugging %s: %w", m.Name, err)
	}
	return nil
}

// cut takes the link down at the switch, as pulling the cable does.
func (l *Lab) cut(ctx context.Context, m machine) error {
	if err := l.onSwitch(ctx, "", "ip", "link", "set", m.Name, "down"); err != nil {
		return fmt.Errorf("cutting the link of %s: %w", m.Name, err)
	}
	return nil
}
