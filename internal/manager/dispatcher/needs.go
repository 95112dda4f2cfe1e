package dispatcher

import (
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// needs lists the networks, secrets and configs a revision's containers are made with.
func needs(v store.View, rev *model.ServiceRevision) []model.ID {
	var ids []model.ID
	spec := rev.Spec.Get()
	for _, n := range spec.TaskTemplate.Networks {
		if row := network(v, n.Target); row != nil {
			ids = append(ids, row.ID)
		}
	}
	if row := store.IngressNetwork(v); row != nil && len(store.MeshPorts(spec)) > 0 {
		ids = append(ids, row.ID)
	}
	c := spec.TaskTemplate.ContainerSpec
	if c == nil {
		return ids
	}
	for _, s := range c.Secrets {
		if s == nil {
			continue
		}
		if id, err := model.ParseID(s.SecretID); err == nil {
			ids = append(ids, id)
		}
	}
	for _, s := range c.Configs {
		if s == nil {
			continue
		}
		if id, err := model.ParseID(s.ConfigID); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// network finds a network by what a spec calls it: its id or its name.
func network(v store.View, target string) *model.Network {
	if id, err := model.ParseID(target); err == nil {
		if row := store.Networks.ByID(v, id); row != nil {
			return row
		}
	}
	return store.NetworkByName(v, target)
}

// object adds a network, secret or config to a message; one that does not exist is the executor's to complain about.
func object(v store.View, a *wire.Assignments, id model.ID) {
	if row := store.Networks.ByID(v, id); row != nil {
		a.Networks = append(a.Networks, describeNetwork(row, store.Allocations.ByID(v, id)))
	}
	if row := store.Secrets.ByID(v, id); row != nil {
		a.Secrets = append(a.Secrets, secret(row))
	}
	if row := store.Configs.ByID(v, id); row != nil {
		spec := row.Spec.Get()
		a.Configs = append(a.Configs, &wire.Blob{Id: wire.Bytes(id), Data: spec.Data, Template: driverName(spec.Templating)})
	}
}

// driverName is empty where there is no driver.
func driverName(d *swarm.Driver) string {
	if d == nil {
		return ""
	}
	return d.Name
}

func revision(row *model.ServiceRevision) *wire.Revision {
	return &wire.Revision{
		Id: wire.Bytes(row.ID), ServiceId: wire.Bytes(row.ServiceID), Spec: row.Spec.Raw(), Pinned: row.Pinned,
		RegistryAuth: row.RegistryAuth,
	}
}

// logDriver is the cluster's default log driver as JSON; nothing when the engines' own is used.
func logDriver(c *model.Cluster) []byte {
	if c == nil {
		return nil
	}
	if d := c.Spec.Get().TaskDefaults.LogDriver; d != nil {
		return jsonOf(d)
	}
	return nil
}

// policy is the cluster's policy of privileges as JSON; nothing when it allows nothing.
func policy(c *model.Cluster) []byte {
	if c == nil || len(c.Privileges) == 0 {
		return nil
	}
	return jsonOf(c.Privileges)
}

// secret is what a node is told of a secret at first: its data, or that the driver that keeps it is asked.
func secret(row *model.Secret) *wire.Blob {
	spec := row.Spec.Get()
	b := &wire.Blob{Id: wire.Bytes(row.ID), Template: driverName(spec.Templating)}
	if spec.Driver != nil {
		b.Pending = true
	} else {
		b.Data = spec.Data
	}
	return b
}
