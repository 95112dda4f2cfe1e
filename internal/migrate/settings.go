package migrate

import (
	"maps"
	"net/netip"
	"time"
)

// Docker's own values for the settings of a swarm.
const (
	defaultTaskHistory      = 5
	defaultSnapshotInterval = 10000
	defaultHeartbeat        = 5 * time.Second
	defaultCertExpiry       = 90 * 24 * time.Hour
	defaultSubnetSize       = 24
)

// defaultPool is where Docker's swarm mode takes subnets from.
func defaultPool() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, 0}), 8) }

func (c *carrier) settings() {
	spec, want := c.from.Cluster.Spec, &c.want.Settings
	if l := spec.Orchestration.TaskHistoryRetentionLimit; l != nil && *l != defaultTaskHistory {
		want.TaskHistoryRetentionLimit = new(*l)
	}
	if n := spec.Raft.SnapshotInterval; n != defaultSnapshotInterval {
		want.SnapshotInterval = n
	}
	if n := spec.Raft.KeepOldSnapshots; n != nil && *n != 0 {
		want.KeepOldSnapshots = new(*n)
	}
	if d := spec.Dispatcher.HeartbeatPeriod; d != defaultHeartbeat {
		want.HeartbeatPeriod = d
	}
	if d := spec.CAConfig.NodeCertExpiry; d != defaultCertExpiry {
		want.NodeCertExpiry = d
	}
	if d := spec.TaskDefaults.LogDriver; d != nil && d.Name != "" {
		want.LogDriver = new(copied(*d))
	}
	want.Labels = maps.Clone(spec.Labels)
	c.unsettled()
}

// unsettled are settings that no update can carry.
func (c *carrier) unsettled() {
	spec := c.from.Cluster.Spec
	if spec.EncryptionConfig.AutoLockManagers {
		c.found.add(Lost, "swarm", "autolock", "the swarm locks its managers; the key is each cluster's own: docker swarm update --autolock here, and keep the key that it shows")
	}
	if len(spec.CAConfig.ExternalCAs) > 0 {
		c.found.add(Lost, "swarm", "external-ca", "another authority (%s) signs the swarm's certificates, and this cluster has its own: docker swarm ca --external-ca here, if it is to sign here too", spec.CAConfig.ExternalCAs[0].URL)
	}
	for _, pool := range c.from.Cluster.DefaultAddrPool {
		if pool.Masked() != defaultPool() {
			c.found.add(Lost, "swarm", "default-addr-pool", "the swarm takes subnets from %s; a cluster is told its pools when it is founded, by docker swarm init --default-addr-pool", pool)
		}
	}
	if port := c.from.Cluster.DataPathPort; port != 0 && port != 4789 {
		c.found.add(Lost, "swarm", "data-path-port", "the swarm's networks use the UDP port %d; a cluster is told it when it is founded, by docker swarm init --data-path-port", port)
	}
}
