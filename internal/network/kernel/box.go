package kernel

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"golang.org/x/sys/unix"
)

// Names and comments in a container's table. The comment of the rule that begins it all changes with what is made here.
const (
	boxComment = "skep 1"
	chainOut   = "out"
	mapVIPs    = "vips"
	prefixVIP  = "vip_"
)

func vips() *nftables.Set {
	return &nftables.Set{Name: mapVIPs, IsMap: true, KeyType: nftables.TypeIPAddr, DataType: nftables.TypeVerdict}
}

// boxOps changes the rules of one container's namespace, and then has it forget connections.
func (k *Kernel) boxOps(key string, ops []network.Op) error {
	s, err := openForRules(key)
	if err != nil {
		if ops[0].Act == network.Remove {
			return nil //nolint:nilerr // they went with the container
		}
		return err
	}
	defer k.closeLater(s)
	r, err := s.openRules()
	if err != nil {
		return err
	}
	for _, op := range ops {
		r.boxOp(op)
		if r.full() {
			if err := r.commit(); err != nil {
				return fmt.Errorf("the load balancers of container %s: %w", key, err)
			}
		}
	}
	if err := r.commit(); err != nil {
		return fmt.Errorf("the load balancers of container %s: %w", key, err)
	}
	if i := slices.IndexFunc(ops, func(op network.Op) bool { return op.Kind == network.KindFlows }); i >= 0 {
		k.forget(s, ops[i:])
	}
	return nil
}

func (r *ruleConn) boxOp(op network.Op) {
	switch {
	case op.Kind == network.KindBox && op.Act == network.Remove:
		r.drop()
	case op.Kind == network.KindBox:
		r.boxBase()
	case op.Kind == network.KindBalancer:
		r.balancer(op)
	}
}

// boxBase makes the table of a container anew, without any balancer.
func (r *ruleConn) boxBase() {
	r.renew()
	addrs := r.set(vips())
	out := r.base(chainOut, nftables.ChainTypeNAT, nftables.ChainHookOutput, -110)
	r.rule(out, boxComment, destination(), []expr.Any{
		&expr.Lookup{SourceRegister: 1, DestRegister: 0, IsDestRegSet: true, SetName: addrs.Name, SetID: addrs.ID},
	})
}

// balancer makes, changes or removes one virtual address.
func (r *ruleConn) balancer(op network.Op) {
	name := prefixVIP + op.Addr.String()
	element := nftables.SetElement{Key: op.Addr.AsSlice(), VerdictData: &expr.Verdict{Kind: expr.VerdictJump, Chain: name}}
	c := &nftables.Chain{Name: name, Table: r.table}
	if op.Act == network.Remove {
		r.take(vips(), element)
		r.conn.FlushChain(c)
		r.conn.DelChain(c)
		return
	}
	r.chain(name)
	r.fill(op.Act, c, op.Backends.Sum, r.balances(name, op.Backends)...)
	if op.Act == network.Add {
		r.put(vips(), element)
	}
}

// balances are the rules of a virtual address. One with nothing behind it refuses at once.
func (r *ruleConn) balances(chain string, b *network.Backends) [][]expr.Any {
	if len(b.List) > 0 {
		return [][]expr.Any{r.spread(chain, b, false)}
	}
	return [][]expr.Any{append(protocol(unix.IPPROTO_TCP), resetTCP()...), unreachable()}
}

// readBox reads the balancers of a container. Nothing there at all is nil.
func (s *space) readBox(key string) (*network.Box, error) {
	r, err := s.openRules()
	if err != nil {
		return nil, err
	}
	comments, err := r.comments()
	if err != nil || comments == nil {
		return nil, err
	}
	box := &network.Box{Key: key}
	if out := comments[chainOut]; len(out) != 1 || out[0] != boxComment {
		box.Broken = true
		return box, nil
	}
	elements, err := r.conn.GetSetElements(&nftables.Set{Table: r.table, Name: mapVIPs})
	if err != nil {
		box.Broken = true
		return box, nil //nolint:nilerr // its set is not there
	}
	read := &network.Balancers{ByVIP: map[netip.Addr]*network.Backends{}}
	for _, e := range elements {
		vip, _ := netip.AddrFromSlice(e.Key)
		read.ByVIP[vip] = &network.Backends{Sum: sumOf(comments[prefixVIP+vip.String()], 2)}
	}
	for chain := range comments {
		if chain == chainOut {
			continue
		}
		vip, err := netip.ParseAddr(strings.TrimPrefix(chain, prefixVIP))
		if err != nil || read.ByVIP[vip] == nil || chain != prefixVIP+vip.String() {
			box.Broken = true // a balancer that nothing leads to, or what somebody else put there
		}
	}
	box.Tables = map[model.ID]*network.Balancers{{}: read} // which network each is of does not show
	return box, nil
}

// sumOf is what a chain's rules say they spread over; empty if they are not as they were made. There is one rule, or as
// many as it takes to refuse, and behind them may be one that a change has left (see [ruleConn.swap]).
func sumOf(comments []string, refusal int) string {
	if len(comments) == 0 {
		return ""
	}
	want := 1
	if comments[0] == network.NewBackends(nil).Sum {
		want = refusal
	}
	if len(comments) < want || len(comments) > want+1 || comments[0] != comments[want-1] {
		return ""
	}
	return comments[0]
}
