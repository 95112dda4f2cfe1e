package kernel

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

const (
	// chainSilent is the one chain in a network's own namespace.
	chainSilent = "silent"
	// silentComment tells its rules from those of another making.
	silentComment = "skep 2 names are not refused"
	silentRules   = 2
	portNames     = 53
)

// keepSilent has a network's namespace refuse nothing that is asked of the gateway. While the daemon restarts nobody
// listens there, and a resolver that is refused gives up at once, where one that hears nothing asks again.
func (s *space) keepSilent() error {
	r, err := s.openRules()
	if err != nil {
		return err
	}
	defer s.closeRules()
	r.renew()
	c := r.base(chainSilent, nftables.ChainTypeFilter, nftables.ChainHookOutput, 0)
	r.rule(c, silentComment, protocol(unix.IPPROTO_ICMP), unreachables(), drop())
	r.rule(c, silentComment, protocol(unix.IPPROTO_TCP), sourcePort(portNames), resets(), drop())
	if err := r.commit(); err != nil {
		return fmt.Errorf("having nobody refused who asks for names: %w", err)
	}
	return nil
}

// isSilent says whether the rules for that are there.
func (s *space) isSilent() (bool, error) {
	r, err := s.openRules()
	if err != nil {
		return false, err
	}
	defer s.closeRules()
	comments, err := r.comments()
	if err != nil {
		return false, err
	}
	list := comments[chainSilent]
	for _, c := range list {
		if c != silentComment {
			return false, nil
		}
	}
	return len(list) == silentRules, nil
}

// closeRules gives the connection to a namespace's rules back: there may be hundreds of networks, and their rules hardly
// ever change.
func (s *space) closeRules() {
	if s.rules != nil {
		s.rules.close()
		s.rules = nil
	}
}

// unreachables are ICMP messages that say that nobody listens at a port. Those that say that nobody has an address are
// for who sends on an encrypted network to a container that is gone.
func unreachables() []expr.Any {
	return append(header(expr.PayloadBaseTransportHeader, 0, 2), &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{3, 3}})
}

func sourcePort(port uint16) []expr.Any {
	return append(header(expr.PayloadBaseTransportHeader, 0, 2),
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{byte(port >> 8), byte(port)}})
}

// resets are TCP segments that end a connection at once, or refuse it.
func resets() []expr.Any {
	const flags, reset = 13, 1 << 2
	return append(header(expr.PayloadBaseTransportHeader, flags, 1),
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{reset}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{0}})
}
