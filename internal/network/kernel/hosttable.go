package kernel

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/skep-org/skep/internal/network"
	"golang.org/x/sys/unix"
)

// frame is what the host's table is made for: everything that is in rules and not in sets. It is the comment of each of
// them, so that it can be read back.
type frame struct {
	port     uint16
	subnet   netip.Prefix // invalid: no ingress network
	own      netip.Addr
	unmarked bool
}

func frameOf(h *network.Host) frame {
	f := frame{port: h.Port}
	if in := h.Ingress; in != nil {
		f.subnet, f.own, f.unmarked = in.Subnet, in.Own, in.Unmarked
	}
	return f
}

func (f frame) String() string {
	return fmt.Sprintf("skep 2 port %d subnet %s own %s unmarked %t", f.port, f.subnet, f.own, f.unmarked)
}

func parseFrame(s string) (f frame, ok bool) {
	w := strings.Fields(strings.ReplaceAll(s, "invalid ", "")) // an absent prefix prints as "invalid Prefix"
	if len(w) != 10 {
		return f, false
	}
	port, err := strconv.ParseUint(w[3], 10, 16)
	f.port, f.unmarked = uint16(port), w[9] == "true"
	f.subnet, _ = netip.ParsePrefix(w[5])
	f.own, _ = netip.ParseAddr(w[7])
	return f, err == nil && f.String() == s
}

// chainGuard is the first chain that a packet meets, before its connection is looked up.
const chainGuard = "guard"

// The chains of what carries overlays: packets that arrive, and packets that leave.
const (
	chainArriving = "arriving"
	chainLeaving  = "leaving"
)

// beforeTracking is a priority ahead of the kernel's connection tracking.
const beforeTracking = -310

// Sets of the host's table.
func members() *nftables.Set {
	return &nftables.Set{Name: "members", KeyType: nftables.TypeIPAddr}
}

func clients() *nftables.Set {
	return &nftables.Set{Name: "nodes", KeyType: nftables.TypeIPAddr}
}

func marks() *nftables.Set {
	return &nftables.Set{Name: "marks", IsMap: true, KeyType: nftables.TypeEtherAddr, DataType: nftables.TypeMark}
}

func published() *nftables.Set {
	return &nftables.Set{Name: "published", IsMap: true, KeyType: protocolAndPort(), DataType: nftables.TypeVerdict}
}

// closed are published ports with nothing behind them.
func closed() *nftables.Set {
	return &nftables.Set{Name: "closed", KeyType: protocolAndPort()}
}

// hostBase makes the host's table anew, with empty sets.
func (r *ruleConn) hostBase(f frame) {
	r.renew()
	is := f.String()
	raw := r.base(chainGuard, nftables.ChainTypeFilter, nftables.ChainHookPrerouting, beforeTracking)
	r.carriers(carriage{is, f.port, members(), source, destination}, raw)
	if !f.subnet.IsValid() {
		return
	}
	r.rule(raw, is, incoming("", true), destination(), within(netip.MustParsePrefix("127.0.0.0/8")), drop())
	r.meshMarks(is, r.set(marks()))
	r.meshEntries(is, r.set(published()))
	r.meshRefusals(is, r.set(closed()))
	r.meshSources(is, f, r.set(clients()))
	r.meshForward(is)
}

// carriage is what carries overlays by one version of IP.
type carriage struct {
	comment             string
	port                uint16
	members             *nftables.Set
	source, destination func() []expr.Any
}

// carriers lets in what members send of overlays, and keeps it out of the host's connection tracking: each connection
// inside makes the host meet packets of two more, which nothing here or in a host's own rules needs to know.
func (r *ruleConn) carriers(f carriage, raw *nftables.Chain) {
	is, from, source, destination := f.comment, r.set(f.members), f.source, f.destination
	arriving := r.chain(chainArriving)
	r.rule(raw, is, protocol(unix.IPPROTO_UDP), destinationPort(f.port), verdict(expr.VerdictJump, arriving.Name))
	r.rule(arriving, is, source(), among(from, false), drop())
	for _, kind := range []string{"bridge", "veth"} {
		r.rule(arriving, is, cameBy(kind), astray(), drop())
	}
	r.rule(arriving, is, destination(), among(from, true), untracked())
	leaving := r.base(chainLeaving, nftables.ChainTypeFilter, nftables.ChainHookOutput, beforeTracking)
	r.rule(leaving, is, protocol(unix.IPPROTO_UDP), destinationPort(f.port), destination(), among(from, true), untracked())
}

// cameBy says that a packet came by an interface of a kind. The kinds that containers are behind are looked at alone:
// hosts that are reached by one interface and answer by another are as they should be.
func cameBy(kind string) []expr.Any { return name(metaIncomingKind, expr.CmpOpEq, kind, true) }

// astray says that a packet's source address is not where the packet came from: a container that bears a member's.
func astray() []expr.Any {
	return []expr.Any{
		&expr.Fib{Register: 1, ResultOIF: true, FlagSADDR: true, FlagIIF: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: make([]byte, 4)},
	}
}

// incoming and outgoing compare an interface with one of the ingress network's; an empty name stands for all of these.
func incoming(link string, is bool) []expr.Any { return ingressName(expr.MetaKeyIIFNAME, link, is) }
func outgoing(link string, is bool) []expr.Any { return ingressName(expr.MetaKeyOIFNAME, link, is) }

func ingressName(key expr.MetaKey, link string, is bool) []expr.Any {
	op := expr.CmpOpEq
	if !is {
		op = expr.CmpOpNeq
	}
	if link == "" {
		return name(key, op, network.LinkPrefix, false)
	}
	return name(key, op, link, true)
}

func destinationPort(port uint16) []expr.Any {
	return append(header(expr.PayloadBaseTransportHeader, 2, 2),
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{byte(port >> 8), byte(port)}})
}

// meshMarks has connections remember at which node they entered, and their answers bear its mark.
func (r *ruleConn) meshMarks(is string, marks *nftables.Set) {
	mangle := r.base("marking", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, -150)
	r.rule(mangle, is, incoming(network.IngressLink, true), tracked(expr.CtKeySTATE, expr.CtStateBitNEW, true), etherSource(), []expr.Any{
		&expr.Lookup{SourceRegister: 1, DestRegister: 1, IsDestRegSet: true, SetName: marks.Name, SetID: marks.ID},
		&expr.Ct{Key: expr.CtKeyMARK, Register: 1, SourceRegister: true},
	})
	r.rule(mangle, is, incoming("", true), incoming(network.IngressLink, false), reply(), []expr.Any{
		&expr.Ct{Key: expr.CtKeyMARK, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: native(network.MarkMask), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: native(network.MarkBase)},
		&expr.Ct{Key: expr.CtKeyMARK, Register: 1},
		&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: 1},
	})
}

// reply says that a packet goes against the direction its connection was opened in.
func reply() []expr.Any {
	return []expr.Any{&expr.Ct{Key: expr.CtKeyDIRECTION, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{1}}}
}

// meshEntries leads what is sent to a published port of any of this host's addresses to a backend.
func (r *ruleConn) meshEntries(is string, ports *nftables.Set) {
	entry := r.chain("entry")
	r.rule(entry, is, protocolWithPort(), []expr.Any{
		&expr.Lookup{SourceRegister: 1, DestRegister: 0, IsDestRegSet: true, SetName: ports.Name, SetID: ports.ID},
	})
	for name, hook := range map[string]*nftables.ChainHook{"prerouting": nftables.ChainHookPrerouting, "output": nftables.ChainHookOutput} {
		c := r.base(name, nftables.ChainTypeNAT, hook, -110)
		r.rule(c, is, local(false), verdict(expr.VerdictJump, entry.Name))
	}
}

// meshRefusals refuses what is sent to a published port with nothing behind it, whatever else may listen there.
func (r *ruleConn) meshRefusals(is string, ports *nftables.Set) {
	c := r.base("refuse", nftables.ChainTypeFilter, nftables.ChainHookInput, -10)
	r.rule(c, is, protocolWithPort(), among(ports, true), protocol(unix.IPPROTO_TCP), resetTCP())
	r.rule(c, is, protocolWithPort(), among(ports, true), unreachable())
}

// protocolWithPort loads the packet's protocol and destination port.
func protocolWithPort() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Payload{DestRegister: secondWord, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
	}
}

// meshSources gives connections the node's own address where answers would not find back otherwise: from this host, from
// other nodes, from containers; and to everything that leaves the ingress network.
func (r *ruleConn) meshSources(is string, f frame, nodes *nftables.Set) {
	post := r.base("postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, 90)
	entered := func(parts ...[]expr.Any) {
		all := append([][]expr.Any{outgoing("", true), balanced(true)}, parts...)
		r.rule(post, is, append(all, masquerade())...)
	}
	if f.unmarked {
		entered()
	}
	entered(local(true))
	entered(source(), among(nodes, true))
	entered(source(), within(f.subnet))
	r.rule(post, is, outgoing("", false), source(), within(f.subnet), masquerade())
}

// meshForward keeps containers apart: between them, to them from outside, and from them to containers on the engine's
// own networks goes what is sent there by a published port and nothing else. From other nodes comes only what those have let through.
func (r *ruleConn) meshForward(is string) {
	c := r.base("forward", nftables.ChainTypeFilter, nftables.ChainHookForward, -10)
	r.rule(c, is, tracked(expr.CtKeySTATE, expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED, true), accept())
	r.rule(c, is, incoming(network.IngressLink, true), outgoing("", false), drop())
	r.rule(c, is, incoming(network.IngressLink, true), outgoing(network.IngressLink, true), drop())
	r.rule(c, is, outgoing("", true), incoming(network.IngressLink, false), balanced(false), drop())
	for _, bridge := range engineBridges() {
		r.rule(c, is, incoming("", true), bridge, balanced(false), drop())
	}
}

// engineBridges compare the way out with the interfaces of an engine's own networks: docker0, docker_gwbridge, and br-
// with twelve digits. The engine keeps its networks apart from each other, but the accept in its chain comes before that.
func engineBridges() [][]expr.Any {
	named := name(expr.MetaKeyOIFNAME, expr.CmpOpEq, "docker", false)
	numbered := append(name(expr.MetaKeyOIFNAME, expr.CmpOpEq, "br-", false), // others call their way to the outside br-something
		&expr.Bitwise{SourceRegister: fourthWord, DestRegister: 1, Len: 4, Mask: []byte{0, 0, 0xFF, 0}, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)})
	return [][]expr.Any{named, numbered}
}

// entryChain is the chain of one published port.
func entryChain(p network.PortKey) string { return fmt.Sprintf("%s_%d", p.Protocol, p.Port) }

func portKey(p network.PortKey) []byte {
	number := map[string]byte{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP, "sctp": unix.IPPROTO_SCTP}[p.Protocol]
	return []byte{number, 0, 0, 0, byte(p.Port >> 8), byte(p.Port), 0, 0}
}

func portOf(key []byte) (p network.PortKey) {
	if len(key) < 6 {
		return p
	}
	p.Protocol = map[byte]string{unix.IPPROTO_TCP: "tcp", unix.IPPROTO_UDP: "udp", unix.IPPROTO_SCTP: "sctp"}[key[0]]
	p.Port = uint16(key[4])<<8 | uint16(key[5])
	return p
}

// publish makes, changes or removes one published port.
func (r *ruleConn) publish(op network.Op) {
	name := entryChain(op.Port)
	element := nftables.SetElement{Key: portKey(op.Port), VerdictData: &expr.Verdict{Kind: expr.VerdictJump, Chain: name}}
	c, bare := &nftables.Chain{Name: name, Table: r.table}, nftables.SetElement{Key: portKey(op.Port)}
	r.put(closed(), bare)
	if op.Act == network.Remove {
		r.take(closed(), bare)
		r.take(published(), element)
		r.conn.FlushChain(c)
		r.conn.DelChain(c)
		return
	}
	r.chain(name)
	rule := verdict(expr.VerdictReturn, "") // refused where it arrives: not every kernel can do so before it is routed
	if len(op.Backends.List) > 0 {
		rule = r.spread(name, op.Backends, true)
		r.take(closed(), bare)
	}
	r.fill(op.Act, c, op.Backends.Sum, rule)
	if op.Act == network.Add {
		r.put(published(), element)
	}
}
