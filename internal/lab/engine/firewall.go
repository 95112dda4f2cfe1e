package engine

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
)

// removeRules takes the engine's rules out of the machine's firewall.
func (n hostNetwork) removeRules(ctx context.Context, bridges []string, otherEngines bool) error {
	rules, err := command(ctx, "iptables-save")
	if err != nil {
		return fmt.Errorf("reading the machine's firewall: %w: %s", err, rules)
	}
	undo := undoRules(rules, n, bridges, otherEngines)
	if undo == "" {
		return nil
	}
	cmd := exec.CommandContext(ctx, "iptables-restore", "--wait", "--noflush")
	cmd.Stdin = strings.NewReader(undo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("removing the engine's firewall rules: %w: %s", err, out)
	}
	return nil
}

// undoRules turns an iptables-save listing into the iptables-restore input that deletes the rules naming the engine's
// bridges or pool and, when the firewall was the engine's own and no other engine is left, Docker's chains with the
// rules that lead there. It names each rule to delete rather than writing the tables anew, so that rules others add
// meanwhile are safe.
func undoRules(saved string, n hostNetwork, bridges []string, otherEngines bool) string {
	chains := n.OwnFirewall && !otherEngines
	var out strings.Builder
	var table string
	var deleteRules, flush, drop []string
	for line := range strings.Lines(saved) {
		line = strings.TrimSpace(line)
		name, _, _ := strings.Cut(strings.TrimPrefix(line, ":"), " ")
		switch {
		case strings.HasPrefix(line, "*"):
			table, deleteRules, flush, drop = line, nil, nil, nil
		case strings.HasPrefix(line, ":DOCKER") && chains:
			flush, drop = append(flush, "-F "+name), append(drop, "-X "+name) // all are flushed first: they lead to each other
		case strings.HasPrefix(line, ":FORWARD DROP") && chains && n.ForwardPolicy == "ACCEPT" && table == "*filter":
			deleteRules = append(deleteRules, ":FORWARD ACCEPT [0:0]")
		case strings.HasPrefix(line, "-A ") && (names(line, bridges, n.Pool) || chains && ofDocker(line)):
			deleteRules = append(deleteRules, "-D "+strings.TrimPrefix(line, "-A "))
		case line == "COMMIT" && len(deleteRules)+len(flush) > 0:
			lines := slices.Concat([]string{table}, deleteRules, flush, drop, []string{"COMMIT", ""})
			out.WriteString(strings.Join(lines, "\n"))
		}
	}
	return out.String()
}

// names tells whether a rule is about one of the bridges or an address of the pool.
func names(rule string, bridges []string, pool netip.Prefix) bool {
	for word := range strings.FieldsSeq(rule) {
		for _, b := range bridges {
			if word == b {
				return true
			}
		}
		if p, err := netip.ParsePrefix(word); err == nil && pool.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

// ofDocker tells whether a rule of a built-in chain leads to one of Docker's; those in Docker's own chains are flushed.
func ofDocker(rule string) bool {
	return !strings.HasPrefix(rule, "-A DOCKER") && strings.Contains(rule, "-j DOCKER")
}

// forwardPolicy is the policy of the FORWARD chain in an iptables-save listing; a listing without a filter table means
// the kernel's default.
func forwardPolicy(saved string) string {
	table := ""
	for line := range strings.Lines(saved) {
		if strings.HasPrefix(line, "*") {
			table = strings.TrimSpace(line)
		}
		if fields := strings.Fields(line); len(fields) > 1 && table == "*filter" && fields[0] == ":FORWARD" {
			return fields[1]
		}
	}
	return "ACCEPT"
}
