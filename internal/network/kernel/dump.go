package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// comments are the comments of the table's rules, by chain and in order; a chain without rules has none. All of them are
// read by two questions, however many chains there are. nil: there is no such table.
func (r *ruleConn) comments() (map[string][]string, error) {
	chains, err := r.dump(unix.NFT_MSG_GETCHAIN, named(unix.NFTA_CHAIN_TABLE, r.table.Name))
	if err != nil {
		return nil, err
	}
	if len(chains) == 0 {
		return nil, nil
	}
	all := map[string][]string{}
	for _, m := range chains {
		var table, chain string
		err := attributes(m, func(ad *netlink.AttributeDecoder) {
			switch ad.Type() {
			case unix.NFTA_CHAIN_TABLE:
				table = ad.String()
			case unix.NFTA_CHAIN_NAME:
				chain = ad.String()
			}
		})
		if err != nil {
			return nil, err
		}
		if table == r.table.Name {
			all[chain] = nil
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	rules, err := r.dump(unix.NFT_MSG_GETRULE, named(unix.NFTA_RULE_TABLE, r.table.Name))
	if err != nil {
		return nil, err
	}
	for _, m := range rules {
		var table, chain, comment string
		err := attributes(m, func(ad *netlink.AttributeDecoder) {
			switch ad.Type() {
			case unix.NFTA_RULE_TABLE:
				table = ad.String()
			case unix.NFTA_RULE_CHAIN:
				chain = ad.String()
			case unix.NFTA_RULE_USERDATA:
				comment, _ = userdata.GetString(ad.Bytes(), userdata.TypeComment)
			}
		})
		if err != nil {
			return nil, err
		}
		if table == r.table.Name {
			all[chain] = append(all[chain], comment)
		}
	}
	return all, nil
}

// handles are the numbers of a chain's rules, in order.
func (r *ruleConn) handles(chain string) (all []uint64, err error) {
	rules, err := r.dump(unix.NFT_MSG_GETRULE, named(unix.NFTA_RULE_TABLE, r.table.Name), named(unix.NFTA_RULE_CHAIN, chain))
	if err != nil {
		return nil, err
	}
	for _, m := range rules {
		err := attributes(m, func(ad *netlink.AttributeDecoder) {
			if ad.Type() == unix.NFTA_RULE_HANDLE {
				ad.ByteOrder = binary.BigEndian
				all = append(all, ad.Uint64())
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func named(attribute uint16, name string) netlink.Attribute {
	return netlink.Attribute{Type: attribute, Data: []byte(name + "\x00")}
}

// dump asks for all things of a kind that are in the table, or wherever else it is said.
func (r *ruleConn) dump(message int, in ...netlink.Attribute) ([]netlink.Message, error) {
	data, err := netlink.MarshalAttributes(in)
	if err != nil {
		return nil, err
	}
	raw, err := r.question()
	if err != nil {
		return nil, err
	}
	for range 10 {
		list, err := raw.Execute(netlink.Message{
			Header: netlink.Header{
				Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | message),
				Flags: netlink.Request | netlink.Dump,
			},
			Data: append([]byte{byte(r.table.Family), unix.NFNETLINK_V0, 0, 0}, data...),
		})
		if errors.Is(err, unix.EINTR) { // somebody changed rules meanwhile
			continue
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return nil, fmt.Errorf("reading the rules of a namespace: %w", err)
		}
		return list, nil
	}
	return nil, errors.New("reading the rules of a namespace: they change all the time")
}

// kernelAnswers is how long the kernel may take over a question; it answers all of them in milliseconds.
const kernelAnswers = 30 * time.Second

// question is the socket for what is not a transaction.
func (r *ruleConn) question() (*netlink.Conn, error) {
	if r.raw == nil {
		err := r.space.do(func() (err error) {
			r.raw, err = netlink.Dial(unix.NETLINK_NETFILTER, nil)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("opening the rules of a namespace: %w", err)
		}
	}
	return r.raw, r.raw.SetDeadline(time.Now().Add(kernelAnswers))
}

func attributes(m netlink.Message, f func(*netlink.AttributeDecoder)) error {
	ad, err := netlink.NewAttributeDecoder(m.Data[4:])
	if err != nil {
		return fmt.Errorf("reading the rules of a namespace: %w", err)
	}
	for ad.Next() {
		f(ad)
	}
	return ad.Err()
}
