package keys

// container are the keys of a service that say how its containers are made.
func container() []Entry {
	const s = "services.*."
	all := leaves(s, "cap_add", "cap_drop", "command", "configs", "configs.[].source", "configs.[].target", "configs.[].uid",
		"configs.[].gid", "configs.[].mode", "dns", "dns_opt", "dns_search", "entrypoint", "env_file", "env_file.[].path",
		"env_file.[].format", "env_file.[].required", "group_add", "hostname", "image", "init", "isolation", "label_file",
		"logging", "logging.driver", "networks", "networks.*", "networks.*.aliases", "networks.*.use_service_name_alias",
		"oom_score_adj", "read_only", "secrets", "secrets.[].source", "secrets.[].target", "secrets.[].uid", "secrets.[].gid",
		"secrets.[].mode", "stop_grace_period", "stop_signal", "user", "working_dir")
	all = append(all, maps(s, "environment", "extra_hosts", "labels", "logging.options", "networks.*.driver_opts", "sysctls", "ulimits")...)
	all = append(all, isolated()...)
	all = append(all, weighed()...)
	all = append(all, mounted()...)
	return append(all, []Entry{
		{Path: s + "annotations", Verdict: Warned, Says: "swarm's services have no annotations for containers: labels may do"},
		{Path: s + "credential_spec", Verdict: Refused, Says: "it is of Windows, and skep's nodes run Linux"},
		{Path: s + "device_cgroup_rules", Verdict: Refused, Says: "a service can ask for devices by their paths alone: list them as devices"},
		{Path: s + "devices", Verdict: ByValue, Says: "becomes the label skep.devices, which a policy has to allow (docs/privileges.md); devices by names of CDI are refused", Below: true},
		{Path: s + "domainname", Verdict: Warned, Says: "swarm's services have no domain name: write hostname in full"},
		{Path: s + "gpus", Verdict: ByValue, Says: "becomes the label skep.gpus, which a policy has to allow (docs/privileges.md); drivers, options and other capabilities are refused", Below: true},
		{Path: s + "mac_address", Verdict: Warned, Says: "a service's tasks cannot share a hardware address: each gets one of its own"},
		{Path: s + "models", Verdict: Refused, Says: "a cluster runs no model runners: give the service the address of one that runs elsewhere"},
		{Path: s + "networks.*.interface_name", Verdict: Warned, Says: "interfaces are called eth0, eth1 and so on"},
		{Path: s + "networks.*.ipv4_address", Verdict: Warned, Says: "a service's tasks cannot share an address: the cluster gives each one of its own; other services reach it by name"},
		{Path: s + "networks.*.ipv6_address", Verdict: Warned, Says: "a service's tasks cannot share an address: the cluster gives each one of its own; other services reach it by name"},
		{Path: s + "networks.*.link_local_ips", Verdict: Warned, Says: "a service's tasks get no link-local addresses"},
		{Path: s + "networks.*.mac_address", Verdict: Warned, Says: "a service's tasks cannot share a hardware address: each gets one of its own"},
		{Path: s + "networks.*.priority", Verdict: Warned, Says: "networks are joined in the order of their names"},
		{Path: s + "networks.*.gw_priority", Verdict: Warned, Says: "the way out of a container is not chosen among its networks"},
		{Path: s + "platform", Verdict: Noted, Says: "tasks run on nodes of this platform alone"},
		{Path: s + "privileged", Verdict: Noted, Says: "becomes the label skep.privileged, which a policy has to allow (docs/privileges.md)"},
		{Path: s + "pull_policy", Verdict: ByValue, Says: "nodes pull an image they do not have, by the digest that deploy --resolve-image found; missing means that, and of a service with build build has it built each time; anything else is warned about"},
		{Path: s + "pull_refresh_after", Verdict: Warned, Says: "nodes do not pull an image they have: deploy again to move a tag's services on"},
		{Path: s + "runtime", Verdict: Refused, Says: "a service cannot choose the engine's runtime: make it the nodes' default-runtime, or use gpus"},
		{Path: s + "security_opt", Verdict: ByValue, Says: "no-new-privileges is a field of the service; the rest becomes the label skep.security-opt, which a policy has to allow (docs/privileges.md)"},
		{Path: s + "umask", Verdict: Warned, Says: "swarm's services have no umask: the image's own start can set one"},
		{Path: s + "use_api_socket", Verdict: Refused, Says: "mount /var/run/docker.sock instead, on managers: skep gives the container its own socket there"},
	}...)
}

// isolated are the namespaces a container may share with others.
func isolated() []Entry {
	const s = "services.*."
	return []Entry{
		{Path: s + "cgroup", Verdict: Warned, Says: "each container has the control group the engine gives it"},
		{Path: s + "cgroup_parent", Verdict: Warned, Says: "swarm's services choose no control group"},
		{Path: s + "ipc", Verdict: ByValue, Says: "each container has one of its own: private means that, host and shareable are warned about, another's is refused"},
		{Path: s + "network_mode", Verdict: ByValue, Says: "host and bridge are the engine's networks of these names; none and another's network are refused"},
		{Path: s + "pid", Verdict: ByValue, Says: "each container has its own processes: host is warned about, another's are refused"},
		{Path: s + "userns_mode", Verdict: Warned, Says: "containers have the user namespace of their engine"},
		{Path: s + "uts", Verdict: Warned, Says: "each container has a host name of its own"},
	}
}

// weighed are limits and weights.
func weighed() []Entry {
	const s = "services.*."
	const limit = "swarm's services have no such weight: deploy.resources limits and reserves"
	return []Entry{
		{Path: s + "blkio_config", Verdict: Warned, Says: limit},
		{Path: s + "cpu_count", Verdict: Warned, Says: "it is of Windows: use deploy.resources.limits.cpus"},
		{Path: s + "cpu_percent", Verdict: Warned, Says: "it is of Windows: use deploy.resources.limits.cpus"},
		{Path: s + "cpu_period", Verdict: Warned, Says: "use deploy.resources.limits.cpus"},
		{Path: s + "cpu_quota", Verdict: Warned, Says: "use deploy.resources.limits.cpus"},
		{Path: s + "cpu_rt_period", Verdict: Warned, Says: limit},
		{Path: s + "cpu_rt_runtime", Verdict: Warned, Says: limit},
		{Path: s + "cpu_shares", Verdict: Warned, Says: limit},
		{Path: s + "cpus", Verdict: Noted, Says: "read as deploy.resources.limits.cpus"},
		{Path: s + "cpuset", Verdict: Warned, Says: "a service's tasks cannot choose cores: deploy.resources.limits.cpus says how many"},
		{Path: s + "mem_limit", Verdict: Noted, Says: "read as deploy.resources.limits.memory"},
		{Path: s + "mem_reservation", Verdict: Noted, Says: "read as deploy.resources.reservations.memory: a task goes to a node that has so much left"},
		{Path: s + "mem_swappiness", Verdict: Honoured, Says: "by daemons and clients of API 1.52 and later"},
		{Path: s + "memswap_limit", Verdict: ByValue, Says: "what is above the memory's limit is swap; without such a limit it is refused"},
		{Path: s + "oom_kill_disable", Verdict: Warned, Says: "swarm's services have no such setting: oom_score_adj may do"},
		{Path: s + "pids_limit", Verdict: Noted, Says: "read as deploy.resources.limits.pids"},
		{Path: s + "shm_size", Verdict: Noted, Says: "becomes the label skep.shm-size, which a policy has to allow (docs/privileges.md)"},
		{Path: s + "storage_opt", Verdict: Warned, Says: "swarm's services have no storage options"},
	}
}

// mounted is what a container sees of files.
func mounted() []Entry {
	const s = "services.*."
	all := leaves(s, "volumes.[].source", "volumes.[].target", "volumes.[].read_only", "volumes.[].bind", "volumes.[].bind.propagation",
		"volumes.[].bind.recursive", "volumes.[].image", "volumes.[].image.subpath", "volumes.[].tmpfs", "volumes.[].tmpfs.size",
		"volumes.[].tmpfs.mode", "volumes.[].volume", "volumes.[].volume.nocopy", "volumes.[].volume.subpath")
	all = append(all, maps(s, "volumes.[].volume.labels")...)
	return append(all,
		Entry{Path: s + "tmpfs", Verdict: Noted, Says: "read as volumes of the type tmpfs"},
		Entry{Path: s + "volumes"},
		Entry{Path: s + "volumes.[].type", Verdict: ByValue, Says: "volume, bind, tmpfs and image; npipe is of Windows, and cluster volumes are not taken from a file yet: both are refused"},
		Entry{Path: s + "volumes.[].consistency", Says: "it is for Docker's desktops, and means nothing on Linux"},
		Entry{Path: s + "volumes.[].bind.create_host_path", Verdict: Warned, Written: true, Says: "a path that a node does not have is not made there: the task is rejected and says so"},
		Entry{Path: s + "volumes.[].bind.selinux", Verdict: Warned, Says: "a service's mounts are not labelled anew: label the directory on the nodes"},
		Entry{Path: s + "volumes_from", Verdict: Refused, Says: "another's containers may be on other nodes: name a volume that both mount"},
	)
}
