package keys

// workload are the keys that say how a service is built, watched and reached.
func workload() []Entry {
	const s = "services.*."
	all := leaves(s, "healthcheck", "healthcheck.disable", "healthcheck.interval", "healthcheck.retries", "healthcheck.test",
		"healthcheck.timeout", "healthcheck.start_period", "healthcheck.start_interval", "ports", "ports.[].name", "ports.[].mode",
		"ports.[].target", "ports.[].protocol", "stdin_open", "tty")
	return append(all,
		Entry{Path: s + "depends_on", Verdict: ByValue, Says: "becomes labels skep.depends-on.SERVICE, by which the managers hold back each new task until the condition holds (docs/stacks.md); a service that others wait for to complete, and has no deploy.mode, becomes a replicated-job"},
		Entry{Path: s + "depends_on.*", Says: "the name of a service of the file"},
		Entry{Path: s + "depends_on.*.condition"},
		Entry{Path: s + "depends_on.*.required", Says: "a service that is not required and not deployed, for want of its profile, is not waited for"},
		Entry{Path: s + "depends_on.*.restart", Verdict: Warned, Says: "tasks that run stay when a service they depend on is updated: docker service update --force starts them anew"},
		Entry{Path: s + "expose", Says: "nothing is to be done: on a common network every port can be reached"},
		Entry{Path: s + "ports.[].published", Verdict: ByValue, Says: "a port, or a range for as many targets; a range to choose from is refused"},
		Entry{Path: s + "ports.[].host_ip", Verdict: ByValue, Says: "of a port with mode host it becomes the label skep.publish.PORT.host-ip, which a policy has to allow (docs/privileges.md); of a port of the routing mesh it is refused, as that is open on every node"},
		Entry{Path: s + "ports.[].app_protocol", Verdict: Warned, Says: "nothing in a cluster asks for it"},
	)
}

// build are the keys of the build section: what the engine's own builder can do, without BuildKit.
func build() []Entry {
	const b = "services.*.build."
	const kit = "the engine's own builder has no such thing: docker buildx build builds it, skep image push brings it to the cluster, and image names it"
	all := leaves(b, "dockerfile", "extra_hosts", "no_cache", "pull", "shm_size", "target", "network", "isolation")
	all = append(all, maps(b, "args", "labels", "ulimits")...)
	for i := range all {
		all[i].Below = all[i].Below || all[i].Path == b+"extra_hosts"
	}
	return append(all,
		Entry{Path: "services.*.build", Says: "built by the engine of the node that is asked, pushed to the cluster's registry, and run by digest (docs/stacks.md)"},
		Entry{Path: b + "context", Verdict: ByValue, Says: "a directory, or a Git repository or an archive at an address that the engine fetches; another service's image, or one of a registry, is refused"},
		Entry{Path: b + "dockerfile_inline", Verdict: ByValue, Says: "with a context that the engine fetches it is refused"},
		Entry{Path: b + "cache_from", Verdict: ByValue, Says: "images, also as type=registry; sources of other kinds are warned about"},
		Entry{Path: b + "platforms", Verdict: ByValue, Says: "one is built for; of several the engine builds its node's own, and that is warned about"},
		Entry{Path: b + "tags", Verdict: Noted, Says: "the image gets these names on the node that builds it, and is pushed to the cluster's registry alone"},
		Entry{Path: b + "cache_to", Verdict: Warned, Says: "the engine's own builder keeps its cache to itself"},
		Entry{Path: b + "no_cache_filter", Verdict: Warned, Says: "the engine's own builder does without its cache for all stages or none: no_cache asks for that"},
		Entry{Path: b + "provenance", Verdict: Warned, Says: "the image gets no attestation"},
		Entry{Path: b + "sbom", Verdict: Warned, Says: "the image gets no attestation"},
		Entry{Path: b + "additional_contexts", Verdict: Refused, Says: kit},
		Entry{Path: b + "entitlements", Verdict: Refused, Says: kit},
		Entry{Path: b + "privileged", Verdict: Refused, Says: kit},
		Entry{Path: b + "secrets", Verdict: Refused, Says: kit},
		Entry{Path: b + "ssh", Verdict: Refused, Says: kit},
	)
}

// deploy are the keys of the deploy section: the specification took it from swarm, and all of it is honoured.
func deploy() []Entry {
	const d = "services.*.deploy."
	all := leaves(d, "mode", "endpoint_mode", "replicas", "resources", "resources.limits", "resources.limits.cpus", "resources.limits.memory",
		"resources.limits.pids", "resources.reservations", "resources.reservations.cpus", "resources.reservations.memory",
		"resources.reservations.generic_resources", "resources.reservations.generic_resources.[].discrete_resource_spec",
		"resources.reservations.generic_resources.[].discrete_resource_spec.kind",
		"resources.reservations.generic_resources.[].discrete_resource_spec.value", "restart_policy", "restart_policy.condition",
		"restart_policy.delay", "restart_policy.max_attempts", "restart_policy.window", "placement", "placement.constraints",
		"placement.preferences", "placement.preferences.[].spread", "placement.max_replicas_per_node")
	for _, config := range []string{"update_config", "rollback_config"} {
		all = append(all, Entry{Path: d + config})
		all = append(all, leaves(d+config+".", "parallelism", "delay", "failure_action", "monitor", "max_failure_ratio", "order")...)
	}
	all = append(all, maps(d, "labels")...)
	return append(all,
		Entry{Path: "services.*.deploy"},
		Entry{Path: d + "resources.reservations.devices", Verdict: ByValue, Below: true, Says: "as gpus: what asks for the capability gpu becomes the label skep.gpus, the rest is refused"},
	)
}

// service are the keys a service has beyond its containers.
func service() []Entry {
	const s = "services.*."
	const hooks = "a cluster runs nothing beside a task's own command: let the image's start or a service of its own do it"
	return []Entry{
		{Path: s + "attach", Verdict: Warned, Says: "a stack runs detached: docker service logs shows its output"},
		{Path: s + "container_name", Verdict: Warned, Says: "a task's container bears the task's name, as there may be many of a service"},
		{Path: s + "develop", Verdict: Warned, Below: true, Says: "it is for docker compose watch on one machine"},
		{Path: s + "extends"},
		{Path: s + "extends.service"},
		{Path: s + "extends.file"},
		{Path: s + "external_links", Verdict: Warned, Says: "containers are reached by the names they have on a common network"},
		{Path: s + "links", Verdict: Warned, Says: "services of a common network reach each other by name; another name is an alias of that network. Those it links to are waited for, as with depends_on"},
		{Path: s + "post_start", Verdict: Refused, Says: hooks},
		{Path: s + "pre_start", Verdict: Refused, Says: hooks},
		{Path: s + "pre_stop", Verdict: Refused, Says: hooks},
		{Path: s + "profiles"},
		{Path: s + "provider", Verdict: Refused, Says: "a cluster has no plugins of docker compose: make what it provides beforehand"},
		{Path: s + "restart", Verdict: ByValue, Says: "read as deploy.restart_policy where there is none: always and unless-stopped as any, on-failure with its number; no is warned about, as swarm's services start anew without a policy"},
		{Path: s + "scale", Says: "read as deploy.replicas"},
	}
}

// networks are the keys of networks and volumes.
func networks() []Entry {
	const n, v = "networks.*.", "volumes.*."
	all := leaves("", "networks", "networks.*", "volumes", "volumes.*")
	all = append(all, leaves(n, "name", "ipam", "ipam.driver", "ipam.config", "ipam.config.[].subnet", "ipam.config.[].ip_range",
		"ipam.config.[].gateway", "external", "external.name", "internal", "enable_ipv4", "attachable")...)
	all = append(all, leaves(v, "name", "driver", "external", "external.name")...)
	all = append(all, maps(n, "ipam.options", "labels", "ipam.config.[].aux_addresses")...)
	all = append(all, maps(v, "driver_opts", "labels")...)
	return append(all,
		Entry{Path: n + "driver", Verdict: ByValue, Says: "bridge, which is of one machine, is read as overlay; macvlan, ipvlan, host and none are refused: such a network is made beforehand"},
		Entry{Path: n + "driver_opts", Verdict: ByValue, Below: true, Says: "options of bridges are warned about"},
		Entry{Path: n + "enable_ipv6", Says: "the cluster answers whether it can"},
	)
}

// files are the keys of secrets and configs.
func files() []Entry {
	all := leaves("", "secrets", "secrets.*", "configs", "configs.*")
	for _, kind := range []string{"secrets.*.", "configs.*."} {
		all = append(all, leaves(kind, "name", "environment", "file", "external", "external.name", "template_driver")...)
		all = append(all, maps(kind, "labels")...)
	}
	all = append(all, leaves("configs.*.", "content")...)
	all = append(all, leaves("secrets.*.", "driver")...)
	return append(all, maps("secrets.*.", "driver_opts")...)
}
