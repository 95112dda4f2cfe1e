package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/skep-org/skep/internal/network"
)

// The engine's firewall drops what is forwarded and not for one of its own networks, and an accept elsewhere does not
// override that. It leaves a chain to its users, which it looks at first.
const (
	userChain    = "DOCKER-USER"
	forwardChain = "FORWARD" // where there is no engine's firewall
)

// acceptRules let everything from and to the ingress network's interfaces pass; the forward chain of skep's own table
// says what may.
func acceptRules() [][]string {
	all := network.LinkPrefix + "+"
	return [][]string{{"-i", all, "-j", "ACCEPT"}, {"-o", all, "-j", "ACCEPT"}}
}

// iptablesRun runs the iptables program in the host's namespace.
func (k *Kernel) iptablesRun(args ...string) (string, error) {
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), kernelAnswers)
	defer cancel()
	err := k.host.do(func() error {
		cmd := exec.CommandContext(ctx, k.iptables, append([]string{"-w", "5", "-t", "filter"}, args...)...)
		cmd.Stdout, cmd.Stderr = &out, &errs
		return cmd.Run()
	})
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", k.iptables, strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// firewall is what the chains concerned hold, by chain. A chain that does not exist is absent.
func (k *Kernel) firewall() (map[string][]string, error) {
	var text strings.Builder
	for _, chain := range []string{forwardChain, userChain} { // a host may have a hundred thousand rules in others
		out, err := k.iptablesRun("-S", chain)
		exit, exited := errors.AsType[*exec.ExitError](err)
		switch {
		case errors.Is(err, exec.ErrNotFound):
			return nil, nil // no firewall of this kind is here
		case chain == userChain && exited && exit.ExitCode() == 1: // there is no such chain
		case err != nil:
			return nil, fmt.Errorf("reading the host's firewall: %w", err)
		}
		text.WriteString(out)
	}
	chains := map[string][]string{}
	for line := range strings.Lines(text.String()) {
		w := strings.Fields(line)
		if len(w) < 2 {
			continue
		}
		if w[0] == "-P" || w[0] == "-N" {
			chains[w[1]] = append(chains[w[1]], "")
		}
		if w[0] == "-A" {
			chains[w[1]] = append(chains[w[1]], strings.Join(w[2:], " "))
		}
	}
	return chains, nil
}

// accepted says whether the host's firewall lets the ingress network's packets pass.
func (k *Kernel) accepted() (bool, error) {
	chains, err := k.firewall()
	if err != nil {
		return false, err
	}
	there, err := k.engineWall(chains)
	if err != nil {
		return false, err
	}
	if there {
		if err := k.noteEngine(); err != nil {
			return false, err
		}
	}
	return chains == nil || accepts(chains[acceptChain(chains)]), nil
}

// acceptChain is the chain that the accepts belong to.
func acceptChain(chains map[string][]string) string {
	if _, ok := chains[userChain]; ok {
		return userChain
	}
	return forwardChain
}

// accepts says whether a chain gets to both accepts. Rules that its user put before them are the user's will, unless they
// end the chain for everything: so does the one that the engine ends it with.
func accepts(chain []string) bool {
	missing := map[string]bool{}
	for _, r := range acceptRules() {
		missing[strings.Join(r, " ")] = true
	}
	for _, is := range chain {
		if delete(missing, is); len(missing) == 0 {
			return true
		}
		if strings.HasPrefix(is, "-j ") && !strings.Contains(is, "DOCKER") {
			return false
		}
	}
	return false
}

// setAccepted puts the accepts at the beginning of the chain they belong to, or takes them away, everywhere.
func (k *Kernel) setAccepted(on bool) error {
	chains, err := k.firewall()
	if err != nil || chains == nil {
		return err
	}
	for _, chain := range []string{userChain, forwardChain} {
		for _, is := range chains[chain] {
			for _, r := range acceptRules() {
				if is != strings.Join(r, " ") {
					continue
				}
				if _, err := k.iptablesRun(append([]string{"-D", chain}, r...)...); err != nil {
					return fmt.Errorf("changing the host's firewall: %w", err)
				}
			}
		}
	}
	if !on {
		return nil
	}
	for _, r := range acceptRules() {
		if _, err := k.iptablesRun(append([]string{"-I", acceptChain(chains)}, r...)...); err != nil {
			return fmt.Errorf("changing the host's firewall: %w", err)
		}
	}
	return nil
}
