package placement

import (
	"fmt"
	"strings"
)

// Label is that of a service.
const Label = "skep.placement.strategy"

// Strategy says which of the nodes that can take a task gets it.
type Strategy string

// The strategies.
const (
	Spread  Strategy = "spread"  // the one with the fewest tasks of the service, then of all
	Binpack Strategy = "binpack" // the one of whose cores or memory the largest share is reserved
)

// Owns reports whether a label is one of this package.
func Owns(label string) bool { return label == Label }

// Of reads the labels of a service. What cannot be read is left out: the api has refused it, unless a build that knows more has not.
func Of(labels map[string]string) Strategy {
	if s := read(labels); s == Binpack {
		return s
	}
	return Spread
}

// Check refuses what is no strategy.
func Check(labels map[string]string) error {
	if _, asked := labels[Label]; !asked {
		return nil
	}
	if s := read(labels); s != Spread && s != Binpack {
		return fmt.Errorf("label %s=%s: it is %s or %s", Label, labels[Label], Spread, Binpack)
	}
	return nil
}

func read(labels map[string]string) Strategy { return Strategy(strings.TrimSpace(labels[Label])) }
