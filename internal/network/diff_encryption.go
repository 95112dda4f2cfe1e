package network

import (
	"cmp"
	"net/netip"
)

// encryption compares what carries encrypted networks, up to where networks are connected to it: the namespace, the devices
// and who they know. A device comes before what leads onto it, and goes after.
func (d *differ) encryption() {
	want, have := d.encrypted()
	base := Op{Cipher: true, Encrypt: want}
	if want.Namespace != have.Namespace {
		if !want.Namespace {
			d.last = append(d.last, base.of(Remove, KindCipher)) // with all that is in it
			return
		}
		d.ungated = true
		d.ways = append(d.ways, base.of(Add, KindCipher))
	}
	for name, dev := range byKey(want.Devices, cmp.Compare[string]) {
		is := have.Devices[name]
		if is == nil || is.NodeKey != dev.NodeKey || is.MTU != dev.MTU {
			op := base.of(added(is == nil), KindDevice)
			op.Name, op.Device = name, dev
			d.ways = append(d.ways, op)
		}
		if dev.remade(is) {
			is = &Device{} // whom it knows it has forgotten
		}
		d.peers(base, name, dev, is)
	}
	for name, is := range byKey(have.Devices, cmp.Compare[string]) {
		if want.Devices[name] == nil {
			op := base.of(Remove, KindDevice)
			op.Name, op.Device = name, is
			d.last = append(d.last, op)
		}
	}
}

// remade says whether what there is may have to be another device, that knows nobody and that no route leads to: a process has one
// MTU as long as it runs.
func (dev *Device) remade(have *Device) bool {
	return have == nil || have.Key != dev.Key || have.MTU != dev.MTU
}

func (d *differ) encrypted() (want, have *Encrypted) {
	want, have = d.want.Encryption, d.have.Encryption
	if want == nil {
		want = &Encrypted{}
	}
	if have == nil {
		have = &Encrypted{}
	}
	return want, have
}

func (d *differ) peers(base Op, name string, want, have *Device) {
	for key, p := range byKey(want.Peers, Key.compare) {
		is := have.Peers[key]
		if is != nil && is.Sum == p.Sum {
			continue
		}
		op := base.of(added(is == nil), KindPeer)
		op.Name, op.Key, op.Peer, op.Was = name, key, p, is
		d.ways = append(d.ways, op)
	}
	for key := range byKey(have.Peers, Key.compare) {
		if want.Peers[key] == nil {
			op := base.of(Remove, KindPeer)
			op.Name, op.Key = name, key
			d.last = append(d.last, op)
		}
	}
}

// passage compares what lets networks' packets to the devices, once both are there.
func (d *differ) passage() {
	want, have := d.encrypted()
	if !want.Namespace {
		return
	}
	if want.Gated != have.Gated || want.Mesh.Own.Addr() != have.Mesh.Own.Addr() {
		d.onto = append(d.onto, Op{Act: added(have.Gated == ""), Kind: KindGates, Cipher: true, Encrypt: want})
	}
	routes := have.Routes
	for name, dev := range want.Devices {
		if dev.remade(have.Devices[name]) {
			routes = without(routes, name) // they went with the device
		}
	}
	put, drop := compareMaps(want.Routes, routes, netip.Addr.Compare)
	for _, a := range put {
		_, there := routes[a]
		d.onto = append(d.onto, Op{Act: added(!there), Kind: KindCovert, Cipher: true, Addr: a, Name: want.Routes[a]})
	}
	for _, a := range drop {
		d.last = append(d.last, Op{Act: Remove, Kind: KindCovert, Cipher: true, Addr: a, Name: routes[a]})
	}
}

// without are the routes that do not lead to a device.
func without(routes map[netip.Addr]string, device string) map[netip.Addr]string {
	next := map[netip.Addr]string{}
	for a, name := range routes {
		if name != device {
			next[a] = name
		}
	}
	return next
}
