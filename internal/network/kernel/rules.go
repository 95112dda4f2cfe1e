package kernel

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"github.com/skep-org/skep/internal/network"
	"golang.org/x/sys/unix"
)

// tableName is the one table that skep has in a namespace.
const tableName = "skep"

// socketBuffer holds a large transaction and all its acknowledgements.
const socketBuffer = 8 << 20

// batchSize is how many changes go into a transaction where it need not be one.
const batchSize = 2000

// ruleConn changes the table of one namespace. What it is told is done by [ruleConn.commit], all of it or nothing.
type ruleConn struct {
	space *space
	conn  *nftables.Conn
	raw   *netlink.Conn // for reading, opened when first needed
	table *nftables.Table
	sets  uint32 // numbers of sets in the transaction
	err   error  // the first one that the transaction cannot be built for
	size  int
}

// openRules is the connection to the namespace's table, kept open.
func (s *space) openRules() (*ruleConn, error) {
	return s.openTable(&s.rules, &nftables.Table{Name: tableName, Family: nftables.TableFamilyIPv4})
}

// openTable opens the connection to a table, unless it is open.
func (s *space) openTable(at **ruleConn, table *nftables.Table) (*ruleConn, error) {
	if *at != nil {
		return *at, nil
	}
	buffers := func(c *netlink.Conn) error {
		return errors.Join(c.SetReadBuffer(socketBuffer), c.SetWriteBuffer(socketBuffer))
	}
	var conn *nftables.Conn
	err := s.do(func() (err error) { // its own way into a namespace loses an error, and then uses what there is not
		conn, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(buffers))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("opening the rules of a namespace: %w", err)
	}
	*at = &ruleConn{space: s, conn: conn, table: table}
	return *at, nil
}

func (r *ruleConn) close() {
	_ = r.conn.CloseLasting()
	if r.raw != nil {
		_ = r.raw.Close()
	}
}

// commit has the kernel take the whole transaction, or nothing of it.
func (r *ruleConn) commit() error {
	err := r.err
	r.err, r.size = nil, 0
	return errors.Join(err, r.conn.Flush())
}

func (r *ruleConn) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// full says that it is time for a commit, where several will do.
func (r *ruleConn) full() bool { return r.size >= batchSize }

// renew makes the table anew and empty, in the transaction: whatever was in it is gone when the new content is there.
func (r *ruleConn) renew() {
	r.conn.AddTable(r.table)
	r.conn.DelTable(r.table)
	r.conn.AddTable(r.table)
}

// drop removes the table with all that is in it. One that is not there is as good.
func (r *ruleConn) drop() {
	r.conn.AddTable(r.table)
	r.conn.DelTable(r.table)
}

func (r *ruleConn) chain(name string) *nftables.Chain {
	r.size++
	return r.conn.AddChain(&nftables.Chain{Name: name, Table: r.table})
}

func (r *ruleConn) base(name string, t nftables.ChainType, hook *nftables.ChainHook, priority int) *nftables.Chain {
	p := nftables.ChainPriority(priority)
	return r.conn.AddChain(&nftables.Chain{Name: name, Table: r.table, Type: t, Hooknum: hook, Priority: &p})
}

// rule adds a rule to the end of a chain. The comment is how it is known again: its expressions are read by nobody.
func (r *ruleConn) rule(c *nftables.Chain, comment string, parts ...[]expr.Any) {
	r.size++
	r.conn.AddRule(&nftables.Rule{Table: r.table, Chain: c, UserData: userData(comment), Exprs: slices.Concat(parts...)})
}

func userData(comment string) []byte {
	return userdata.AppendString(nil, userdata.TypeComment, comment)
}

// fill gives a chain its rules, each of which decides on its own. What a chain that is not known holds is of nobody.
func (r *ruleConn) fill(act network.Act, c *nftables.Chain, comment string, rules ...[]expr.Any) {
	if act == network.Change {
		r.swap(c, comment, rules)
		return
	}
	r.conn.FlushChain(c)
	for _, parts := range rules {
		r.rule(c, comment, parts)
	}
}

// swap gives a chain other rules, ahead of the one that was its first; what is behind that one
// goes. The kernel has a packet that is just passing go by the rules as they were, but what those look up be as it is now: from
// under the rule that went with this change its set would be taken, and the packet would pass as if nothing were there. So that
// rule stays until the next change, where no packet gets any more.
func (r *ruleConn) swap(c *nftables.Chain, comment string, rules [][]expr.Any) {
	had, err := r.handles(c.Name)
	if err != nil {
		r.fail(err)
		return
	}
	for _, parts := range slices.Backward(rules) {
		r.size++
		r.conn.InsertRule(&nftables.Rule{Table: r.table, Chain: c, UserData: userData(comment), Exprs: parts})
	}
	for _, h := range had[min(1, len(had)):] {
		r.size++
		if err := r.conn.DelRule(&nftables.Rule{Table: r.table, Chain: c, Handle: h}); err != nil {
			r.fail(err)
		}
	}
}

func (r *ruleConn) set(s *nftables.Set, elements ...nftables.SetElement) *nftables.Set {
	r.sets++
	s.Table, s.ID = r.table, r.sets
	r.size++
	if err := r.conn.AddSet(s, elements); err != nil {
		r.fail(fmt.Errorf("making set %s: %w", s.Name, err))
	}
	return s
}

// put and take change the elements of a set that is there.
func (r *ruleConn) put(s *nftables.Set, elements ...nftables.SetElement) {
	s.Table = r.table
	r.size += 1 + len(elements)/8
	if err := r.conn.SetAddElements(s, elements); err != nil {
		r.fail(fmt.Errorf("adding to set %s: %w", s.Name, err))
	}
}

func (r *ruleConn) take(s *nftables.Set, elements ...nftables.SetElement) {
	s.Table = r.table
	r.size++
	if err := r.conn.SetDeleteElements(s, elements); err != nil {
		r.fail(fmt.Errorf("taking from set %s: %w", s.Name, err))
	}
}

// spread is the rule that sends new connections of a chain to backends in turn.
func (r *ruleConn) spread(chain string, b *network.Backends, ports bool) []expr.Any {
	if len(b.List) == 1 {
		return fixed(b.List[0], ports)
	}
	backends := &nftables.Set{ // with a name of its own, or the kernel looks through all sets for a free one; see also [ruleConn.swap]
		Name: fmt.Sprintf("__%s_%x", chain, rand.Uint32()), Anonymous: true, Constant: true, IsMap: true, KeyType: nftables.TypeInteger, DataType: nftables.TypeIPAddr,
	}
	if ports {
		backends.DataType = addrAndPort()
	}
	// Each balancer begins with another backend: many that were just made would send their first connection to the same one.
	first := rand.IntN(max(1, len(b.List)))
	elements := make([]nftables.SetElement, len(b.List))
	for i, at := range b.List {
		elements[i] = nftables.SetElement{Key: native(uint32((i + first) % len(b.List))), Val: at.Addr().AsSlice()}
		if ports {
			elements[i].Val = append(elements[i].Val, byte(at.Port()>>8), byte(at.Port()), 0, 0)
		}
	}
	r.set(backends, elements...)
	return []expr.Any{
		&expr.Numgen{Register: 1, Modulus: uint32(len(b.List)), Type: unix.NFT_NG_INCREMENTAL},
		&expr.Lookup{SourceRegister: 1, DestRegister: 1, IsDestRegSet: true, SetID: backends.ID, SetName: backends.Name},
		loaded(ports),
	}
}

// fixed sends to the one address there is.
func fixed(to netip.AddrPort, ports bool) []expr.Any {
	load := []expr.Any{&expr.Immediate{Register: 1, Data: to.Addr().AsSlice()}}
	if ports {
		load = append(load, &expr.Immediate{Register: secondWord, Data: []byte{byte(to.Port() >> 8), byte(to.Port())}})
	}
	return append(load, loaded(ports))
}

// loaded sends to the address loaded, and the port behind it.
func loaded(ports bool) expr.Any {
	to := &expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1}
	if ports {
		to.RegProtoMin, to.Specified = secondWord, true
	}
	return to
}
