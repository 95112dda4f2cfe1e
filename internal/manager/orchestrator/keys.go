package orchestrator

import (
	"bytes"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Kinds of keys.
const (
	kindService uint8 = iota // A: service
	kindSlot                 // A: service, B: slot number or node
	kindTask                 // A: task
	kindNode                 // A: node
	kindAll                  // every service
	kindPlaced               // A: task that was given a node just now
	kindHeld                 // the updates that wait for other services
	kindVolume               // A: cluster volume
)

func serviceKey(id model.ID) control.Key { return control.Key{Kind: kindService, Key: model.KeyOf(id)} }
func taskKey(id model.ID) control.Key    { return control.Key{Kind: kindTask, Key: model.KeyOf(id)} }
func nodeKey(id model.ID) control.Key    { return control.Key{Kind: kindNode, Key: model.KeyOf(id)} }
func placedKey(id model.ID) control.Key  { return control.Key{Kind: kindPlaced, Key: model.KeyOf(id)} }

// slotID names a slot: the zero node is a replicated service's.
type slotID struct {
	service model.ID
	number  uint64
	node    model.ID
}

func (s slotID) row() model.Slot {
	return model.Slot{ServiceID: s.service, Slot: s.number, NodeID: s.node}
}

func (s slotID) key() control.Key {
	row := s.row()
	return control.Key{Kind: kindSlot, Key: row.Key()}
}

func slotOf(t *model.Task) slotID { return slotID{t.ServiceID, t.Slot, t.NodeID} }

// Inputs implements [control.Planner]. Tasks and slots are the orchestrator's own: their changes are planned already.
func (*Planner) Inputs() []control.Input {
	return []control.Input{
		control.On(store.Services, func(old, cur *model.Service) []control.Key {
			return []control.Key{serviceKey(either(old, cur).ID)}
		}),
		control.On(store.Rollouts, func(old, cur *model.Rollout) []control.Key {
			return []control.Key{serviceKey(either(old, cur).ServiceID)}
		}),
		control.On(store.Statuses, func(old, cur *model.TaskStatus) []control.Key {
			if old != nil && cur != nil && old.State == cur.State {
				return nil
			}
			return []control.Key{taskKey(either(old, cur).TaskID)}
		}),
		control.On(store.Placements, func(old, cur *model.Placement) []control.Key {
			if old != nil && cur != nil && old.NodeID == cur.NodeID {
				return nil
			}
			if cur != nil && !cur.NodeID.IsZero() {
				return []control.Key{placedKey(cur.TaskID)}
			}
			return []control.Key{taskKey(either(old, cur).TaskID)}
		}),
		control.On(store.NodeSpecs, func(old, cur *model.NodeSpec) []control.Key {
			return []control.Key{nodeKey(either(old, cur).ID)}
		}),
		control.On(store.NodeStates, nodeStateKeys),
		control.On(store.Volumes, volumeKeys),
		control.On(store.NodeIdentities, func(old, cur *model.NodeIdentity) []control.Key {
			if old != nil && cur != nil && old.Role == cur.Role {
				return nil
			}
			return []control.Key{nodeKey(either(old, cur).ID)}
		}),
		control.On(store.Clusters, func(old, cur *model.Cluster) []control.Key {
			if cur == nil || old != nil && historyLimit(old) == historyLimit(cur) {
				return nil
			}
			return []control.Key{{Kind: kindAll}}
		}),
	}
}

// nodeStateKeys leaves out what no decision depends on: an agent's messages and heartbeats.
func nodeStateKeys(old, cur *model.NodeState) []control.Key {
	if old != nil && cur != nil && old.State == cur.State && old.Addr == cur.Addr &&
		bytes.Equal(old.Description.Raw(), cur.Description.Raw()) {
		return nil
	}
	return []control.Key{nodeKey(either(old, cur).ID)}
}

func either[R any](old, cur *R) *R {
	if cur != nil {
		return cur
	}
	return old
}
