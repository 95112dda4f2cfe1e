package stack

import (
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
)

// The labels of a stack's objects.
const (
	LabelNamespace = "com.docker.stack.namespace" // as docker stack deploy sets it, and finds stacks by
	LabelImage     = "com.docker.stack.image"     // the image as the file has it, without a digest
	LabelObject    = "skep.stack.object"          // of a version of a secret or config: the name the file has for it
	LabelRevision  = "skep.stack.revision"        // of the config that keeps a revision of a stack: its number
)

// Stack is what a cluster is asked for.
type Stack struct {
	Name     string
	Networks []Network
	Secrets  []Secret
	Configs  []Config
	Services []swarm.ServiceSpec
	Builds   []Build `json:"-"` // what has to be there before; in the order of the files' services
}

// Network is one that the stack makes or, if external, that has to be there.
type Network struct {
	External bool
	Create   network.CreateRequest // of an external one only the name
}

// Object is what secrets and configs have in common.
type Object struct {
	Key      string // in the file
	Name     string // in the cluster
	Plain    string // the name docker stack deploy gives it: Name without the content's digest
	External bool
	// Recorded is of a stack that was deployed before: what the content was is not known any more, only the name.
	Recorded bool `json:"-"`
}

// Versioned reports whether the name carries a digest of the content.
func (o Object) Versioned() bool { return o.Name != o.Plain }

// Secret is one that the stack makes or, if external, that has to be there.
type Secret struct {
	Object
	Spec swarm.SecretSpec
}

// Config is one that the stack makes or, if external, that has to be there.
type Config struct {
	Object
	Spec swarm.ConfigSpec
}

// scoped is the name of a stack's object.
func scoped(stack, key string) string { return stack + "_" + key }

// labelled are labels with the stack's own.
func labelled(stack string, labels map[string]string) map[string]string {
	out := make(map[string]string, len(labels)+1)
	for k, v := range labels {
		out[k] = v
	}
	out[LabelNamespace] = stack
	return out
}
