package kernel

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// secondWord is the register behind the first word of register 1.
const secondWord = unix.NFT_REG32_01

// fourthWord is the last one of an interface's name in register 1.
const fourthWord = unix.NFT_REG32_03

// metaIncomingKind is the kind of the interface a packet came by, which no library has.
const metaIncomingKind = expr.MetaKey(26)

// statusDNAT is the bit of a connection whose destination was changed.
const statusDNAT = 1 << 5

func native(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

// addrAndPort is the type of an address with a port.
func addrAndPort() nftables.SetDatatype {
	return nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeInetService)
}

// protocolAndPort is the type of a protocol with a port.
func protocolAndPort() nftables.SetDatatype {
	return nftables.MustConcatSetType(nftables.TypeInetProto, nftables.TypeInetService)
}

func verdict(kind expr.VerdictKind, chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: kind, Chain: chain}}
}

func drop() []expr.Any   { return verdict(expr.VerdictDrop, "") }
func accept() []expr.Any { return verdict(expr.VerdictAccept, "") }

// untracked has the kernel pass a packet without looking up its connection.
func untracked() []expr.Any { return []expr.Any{&expr.Notrack{}} }

func masquerade() []expr.Any { return []expr.Any{&expr.Masq{}} }

func resetTCP() []expr.Any {
	return []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}
}

func unreachable() []expr.Any {
	const port = 3 // ICMP's "port unreachable"
	return []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: port}}
}

func protocol(p byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{p}}}
}

// name compares an interface's name: all of it, or its beginning.
func name(key expr.MetaKey, op expr.CmpOp, is string, whole bool) []expr.Any {
	data := []byte(is)
	if whole {
		data = make([]byte, unix.IFNAMSIZ)
		copy(data, is)
	}
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: data}}
}

// source and destination load an address of the packet.
func source() []expr.Any      { return header(expr.PayloadBaseNetworkHeader, 12, 4) }
func destination() []expr.Any { return header(expr.PayloadBaseNetworkHeader, 16, 4) }

// etherSource loads the link address a packet came from.
func etherSource() []expr.Any { return header(expr.PayloadBaseLLHeader, 6, 6) }

func header(base expr.PayloadBase, offset, length uint32) []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: 1, Base: base, Offset: offset, Len: length}}
}

// within says that the address loaded is in a subnet.
func within(p netip.Prefix) []expr.Any {
	mask := ipNet(p).Mask
	return []expr.Any{
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: mask, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: p.Masked().Addr().AsSlice()},
	}
}

// among says that what is loaded is in a set, or is not.
func among(s *nftables.Set, is bool) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: 1, SetName: s.Name, SetID: s.ID, Invert: !is}}
}

// local says that an address of the packet is one of this host's.
func local(source bool) []expr.Any {
	return []expr.Any{
		&expr.Fib{Register: 1, ResultADDRTYPE: true, FlagSADDR: source, FlagDADDR: !source},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: native(unix.RTN_LOCAL)},
	}
}

// tracked says that the connection has one of these bits set, of its state or its status; or none of them.
func tracked(key expr.CtKey, bits uint32, any bool) []expr.Any {
	op := expr.CmpOpEq
	if any {
		op = expr.CmpOpNeq
	}
	return []expr.Any{
		&expr.Ct{Key: key, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: native(bits), Xor: make([]byte, 4)},
		&expr.Cmp{Op: op, Register: 1, Data: native(0)},
	}
}

// balanced says that the connection was sent to a backend by rules like these.
func balanced(is bool) []expr.Any { return tracked(expr.CtKeySTATUS, statusDNAT, is) }
