package dataplane

import (
	"encoding/json"
	"fmt"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/wire"
	"google.golang.org/protobuf/proto"
)

// recall reads what an earlier plane of this node kept. What cannot be read is left aside with a word: managers and
// engine say it again.
func (p *Plane) recall() {
	p.fabric, p.realms, p.places = network.NewFabric(), map[string]model.ID{}, map[string]*place{}
	p.recallOne("what the managers said of the networks", p.cfg.Fabric, func(b []byte) error {
		m := &wire.Fabric{}
		if err := proto.Unmarshal(b, m); err != nil {
			return err
		}
		f, err := p.fabric.Apply(m)
		if err == nil {
			p.fabric, p.known = f, true
		}
		return err
	})
	p.recallOne("which networks the engine has", p.cfg.Realms, func(b []byte) error { return json.Unmarshal(b, &p.realms) })
	p.recallOne("which containers are on networks", p.cfg.Places, func(b []byte) error {
		p.looked, p.inherits = true, true
		return json.Unmarshal(b, &p.places)
	})
}

func (p *Plane) recallOne(what string, d Disk, read func([]byte) error) {
	b, err := d.Load()
	if err == nil && b != nil {
		err = read(b)
	}
	if err != nil {
		p.cfg.Log.Warn(what+" cannot be read again and is asked anew", "err", err)
	}
}

// keepPlaces writes down the places there are; an engine's call is not answered before. The caller holds mu.
func (p *Plane) keepPlaces() error {
	return keep("the container's place on the network", p.cfg.Places, p.places)
}

// keepRealms writes down the engine's networks. The caller holds mu.
func (p *Plane) keepRealms() error { return keep("the engine's network", p.cfg.Realms, p.realms) }

func keep(what string, d Disk, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		err = d.Save(b)
	}
	if err != nil {
		return fmt.Errorf("write down %s: %w", what, err)
	}
	return nil
}

// keepFabric writes down the managers' last word.
func (p *Plane) keepFabric(f *network.Fabric) {
	b, err := proto.Marshal(f.Message())
	if err == nil {
		err = p.cfg.Fabric.Save(b)
	}
	if err != nil {
		// Only a daemon that starts while no manager answers would miss it.
		p.cfg.Log.Warn("what the managers said of the networks cannot be saved", "err", err)
	}
}
