package nodeside

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/csi"
)

const (
	// lookEvery is how soon a driver that has come is found.
	lookEvery = 2 * time.Second
	// engineEvery counts the looks until the engine is asked for its plugins again.
	engineEvery = 5
	// askAgain is how long a driver's word on the node is believed.
	askAgain = time.Minute
	// infoLimit bounds how long a driver may take to say what the node is to it.
	infoLimit = 10 * time.Second
	// missed is how many looks a driver may be missing: one that is started anew is away for a moment.
	missed = 5
)

// seen is a driver that was found.
type seen struct {
	info   swarm.NodeCSIInfo
	known  bool
	asked  time.Time
	asking bool
	absent int
}

// Watch tells which drivers the node has, at first and whenever that changes, until ctx ends.
func (n *Node) Watch(ctx context.Context, tell func([]swarm.NodeCSIInfo)) error {
	var asking sync.WaitGroup
	defer asking.Wait()
	var mu sync.Mutex // guards drivers
	drivers := map[string]*seen{}
	var said []swarm.NodeCSIInfo
	var managed []csi.Driver
	for look := 0; ; look++ {
		found, err := n.plain().All(ctx, csi.Node)
		if look%engineEvery == 0 {
			if list, plugErr := (csi.Drivers{Plugins: n.Drivers.Plugins}).All(ctx, csi.Node); plugErr == nil {
				managed = list
			}
		}
		found = append(found, managed...)
		mu.Lock()
		if err == nil {
			n.compare(drivers, found)
		}
		for _, d := range found {
			s := drivers[d.Name]
			if s == nil || s.asking || s.known && n.Env.Now().Sub(s.asked) < askAgain {
				continue
			}
			s.asking = true
			asking.Go(func() {
				info, err := ask(ctx, d)
				mu.Lock()
				defer mu.Unlock()
				if s.asking = false; err == nil {
					s.info, s.known, s.asked = info, true, n.Env.Now()
				}
			})
		}
		list := known(drivers)
		mu.Unlock()
		if !reflect.DeepEqual(list, said) {
			said = list
			tell(list)
		}
		if err := n.Env.Pause(ctx, lookEvery); err != nil {
			return err
		}
	}
}

// plain are the drivers that are no plugins.
func (n *Node) plain() csi.Drivers { return csi.Drivers{Dir: n.Drivers.Dir} }

// compare takes in which drivers there are now.
func (n *Node) compare(drivers map[string]*seen, found []csi.Driver) {
	for name, s := range drivers {
		if slices.ContainsFunc(found, func(d csi.Driver) bool { return d.Name == name }) {
			s.absent = 0
		} else if s.absent++; s.absent > missed {
			delete(drivers, name)
		}
	}
	for _, d := range found {
		if drivers[d.Name] == nil {
			drivers[d.Name] = &seen{}
		}
	}
}

func known(drivers map[string]*seen) (list []swarm.NodeCSIInfo) {
	for _, s := range drivers {
		if s.known {
			list = append(list, s.info)
		}
	}
	slices.SortFunc(list, func(a, b swarm.NodeCSIInfo) int { return strings.Compare(a.PluginName, b.PluginName) })
	return list
}

// ask has a driver say what the node is to it.
func ask(ctx context.Context, d csi.Driver) (swarm.NodeCSIInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, infoLimit)
	defer cancel()
	conn, err := d.Dial()
	if err != nil {
		return swarm.NodeCSIInfo{}, err
	}
	defer func() { _ = conn.Close() }()
	r, err := spec.NewNodeClient(conn).NodeGetInfo(ctx, &spec.NodeGetInfoRequest{})
	if err != nil {
		return swarm.NodeCSIInfo{}, err
	}
	return csi.NodeInfo(d.Name, r), nil
}
