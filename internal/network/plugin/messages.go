package plugin

import (
	"fmt"
	"net/netip"
)

// The messages of the protocol, as engines write and read them. Answers are told apart from failures by Err.

type createNetwork struct {
	NetworkID string
	Options   map[string]any
}

type networkID struct{ NetworkID string }

type createEndpoint struct {
	NetworkID, EndpointID string
	Interface             *endpointInterface
	Options               map[string]any
}

type endpointInterface struct {
	Address     string `json:",omitempty"`
	AddressIPv6 string `json:",omitempty"`
	MacAddress  string `json:",omitempty"`
}

type endpointID struct{ NetworkID, EndpointID string }

type join struct{ NetworkID, EndpointID, SandboxKey string }

type activated struct{ Implements []string }

type capabilities struct{ Scope, ConnectivityScope string }

type createdEndpoint struct{ Interface *endpointInterface }

type endpointInfo struct{ Value map[string]string }

type joined struct {
	InterfaceName         interfaceName
	Gateway               string `json:",omitempty"`
	DisableGatewayService bool   `json:",omitempty"`
}

type interfaceName struct{ SrcName, DstPrefix string }

type failure struct{ Err string }

type nothing struct{}

// genericOptions is where an engine puts the options its user gave a network.
const genericOptions = "com.docker.network.generic"

// texts are the options that are texts, those below genericOptions too; the engine adds some of other kinds.
func texts(options map[string]any) map[string]string {
	out := map[string]string{}
	add := func(m map[string]any) {
		for k, v := range m {
			if s, ok := v.(string); ok {
				out[k] = s
			}
		}
	}
	add(options)
	if nested, ok := options[genericOptions].(map[string]any); ok {
		add(nested)
	}
	return out
}

// given reads what the engine has decided of an interface.
func (e *endpointInterface) given() (Interface, error) {
	if e == nil {
		return Interface{}, nil
	}
	out := Interface{MAC: e.MacAddress}
	if e.Address == "" {
		return out, nil
	}
	var err error
	if out.Addr, err = netip.ParsePrefix(e.Address); err != nil {
		return out, fmt.Errorf("the engine's address for the endpoint: %w", err)
	}
	return out, nil
}

// answer is what the engine is told of an interface: it takes what it has decided itself amiss.
func (e *createEndpoint) answer(i Interface) createdEndpoint {
	out := &endpointInterface{MacAddress: i.MAC}
	if i.Addr.IsValid() {
		out.Address = i.Addr.String()
	}
	if given := e.Interface; given != nil {
		if given.Address != "" {
			out.Address = ""
		}
		if given.MacAddress != "" {
			out.MacAddress = ""
		}
	}
	if *out == (endpointInterface{}) {
		return createdEndpoint{}
	}
	return createdEndpoint{Interface: out}
}

func (j Joined) answer() joined {
	out := joined{InterfaceName: interfaceName{SrcName: j.Link, DstPrefix: "eth"}, DisableGatewayService: j.NoGateway}
	if j.Gateway.IsValid() {
		out.Gateway = j.Gateway.String()
	}
	return out
}
