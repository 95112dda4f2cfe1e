package dependency

import (
	"fmt"
	"strings"
)

// waits begins every sentence about what is waited for.
const waits = "waits for "

// Unmet is a dependency that does not hold yet.
type Unmet struct {
	Dependency
	Name    string // of the service found, or under which it would be found first
	Missing bool   // there is no such service
	Never   bool   // it can never complete, as its tasks are started again whenever they end
	Have    uint64 // how many of its tasks are as the condition says
	Want    uint64 // how many are to be
}

func (u Unmet) String() string {
	if u.Missing {
		return "service " + u.Name + ", which is not there"
	}
	text := "service " + u.Name
	switch u.Condition {
	case Started:
		text += " to start"
	case Healthy:
		text += " to be healthy"
	case Completed:
		text += " to complete"
	}
	if u.Never {
		return text + ", which its restart policy keeps it from"
	}
	if u.Want > 0 {
		text += fmt.Sprintf(" (%d of %d)", u.Have, u.Want)
	}
	return text
}

// Reason says what a task waits for; empty: for nothing.
func Reason(list []Unmet) string {
	if len(list) == 0 {
		return ""
	}
	words := make([]string, len(list))
	for i, u := range list {
		words[i] = u.String()
	}
	return waits + strings.Join(words, " and for ")
}

// ReasonIn finds in what a task or an update says of itself what it waits for; empty: it says nothing of that.
func ReasonIn(said string) string {
	if i := strings.Index(said, waits+"service "); i >= 0 {
		return said[i:]
	}
	return ""
}
