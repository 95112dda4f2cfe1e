package remote

import (
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// rule says who may call a method.
type rule struct {
	anybody bool
	need    model.Role // unless anybody may call it
	// served tells whether a node with these handlers answers it.
	served func(*Handlers) bool
}

// ruleOf is the table of who may call what. A method that is not in it may be called by nobody.
func ruleOf(method string) (rule, bool) {
	authority := func(h *Handlers) bool { return h.Authority != nil }
	group := func(h *Handlers) bool { return h.Group != nil }
	switch method {
	case wire.Authority_Root_FullMethodName, wire.Authority_Join_FullMethodName:
		return rule{anybody: true, served: authority}, true
	case wire.Authority_Renew_FullMethodName:
		return rule{need: model.RoleWorker, served: authority}, true
	case wire.Dispatcher_Connect_FullMethodName:
		return rule{need: model.RoleWorker, served: func(h *Handlers) bool { return h.Dispatcher != nil }}, true
	case wire.Directory_Network_FullMethodName:
		return rule{need: model.RoleWorker, served: func(h *Handlers) bool { return h.Directory != nil }}, true
	case wire.Registry_Look_FullMethodName, wire.Registry_Record_FullMethodName:
		return rule{need: model.RoleWorker, served: func(h *Handlers) bool { return h.Registry != nil }}, true
	case wire.Blobs_Fetch_FullMethodName, wire.Blobs_Keep_FullMethodName:
		return rule{need: model.RoleWorker, served: func(h *Handlers) bool { return h.Blobs != nil }}, true
	case wire.Relay_Attach_FullMethodName:
		return rule{need: model.RoleWorker, served: func(h *Handlers) bool { return h.Relay != nil }}, true
	case wire.Group_Step_FullMethodName, wire.Group_Snapshot_FullMethodName, wire.Group_Propose_FullMethodName,
		wire.Group_Enter_FullMethodName, wire.Group_Depart_FullMethodName, wire.Group_Ask_FullMethodName,
		wire.Group_Members_FullMethodName:
		return rule{need: model.RoleManager, served: group}, true
	}
	return rule{}, false
}
