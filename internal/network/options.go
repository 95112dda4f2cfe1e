package network

// Options by which the executor and the network plugin speak of tasks, through the engine: it keeps them, so that they
// are found again whoever was restarted.
const (
	OptionNetwork  = "skep.network"  // of an engine's network: the cluster's it stands for
	OptionEndpoint = "skep.endpoint" // of a task's endpoint: the task; a guest's has none
	OptionAddress  = "skep.address"  // of an endpoint: its address with the length of its network; a guest may ask for one
	OptionPorts    = "skep.ports"    // of a task's endpoint on the ingress network: JSON of []Port, 0: any port of the node
	OptionDNS      = "skep.dns"      // of a task's endpoint: whom to ask for names of the world outside, with commas
)
