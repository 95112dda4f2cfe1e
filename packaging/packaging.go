package packaging

import _ "embed"

//go:embed systemd/skep.service
var service string

//go:embed plain/skep
var plain string

// Service is the unit for systemd.
func Service() string { return service }

// Plain is the script for /etc/init.d of hosts without systemd: it supervises the daemon itself.
func Plain() string { return plain }
