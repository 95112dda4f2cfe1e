package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
)

// Of several services in the way of a port the oldest is named, whatever their ids are.
func TestOldestHoldsPort(t *testing.T) {
	s := New()
	for i, num := range []uint64{9, 4, 7} {
		port := swarm.PortConfig{TargetPort: 80, PublishedPort: 8080, PublishMode: swarm.PortConfigPublishModeHost}
		spec := swarm.ServiceSpec{EndpointSpec: &swarm.EndpointSpec{Ports: []swarm.PortConfig{port}}}
		rev := &model.ServiceRevision{ID: model.NumID(100 + num), ServiceID: model.NumID(num), Spec: model.DocOf(spec)}
		one := &model.Service{ID: model.NumID(num), Name: fmt.Sprint("s", i), Revision: rev.ID}
		b := &Batch{Writer: WriterAPI, Changes: []Change{Revisions.Put(rev), Services.Put(one)}}
		if _, _, err := (Direct{Store: s, Now: time.Now}).Commit(b).Result(); err != nil {
			t.Fatal(err)
		}
	}
	held := FindPortHolder(s.View(), model.ID{}, []swarm.PortConfig{{TargetPort: 80, PublishedPort: 8080}})
	if held == nil || held.Service.Name != "s0" {
		t.Fatalf("the port is held by %+v", held)
	}
}
