package vault

// Lock is what a cluster says about locking its managers.
type Lock struct {
	Key     string // the unlock key; empty: managers are not locked
	Version uint64 // of the Cluster row that said so
}

// change is what a vault has to do.
type change uint8

const (
	stay   change = iota // nothing
	lock                 // seal, under a new key of the log
	reseal               // seal under another unlock key
	unlock               // write in the clear
)

func (c change) String() string { return [...]string{"stay", "lock", "reseal", "unlock"}[c] }

// decide compares what a vault has with what the cluster says. A manager that starts plays its log back and hears the
// words of yesterday: only a newer one counts.
func decide(have, want Lock) change {
	switch {
	case want.Version <= have.Version, want.Key == have.Key:
		return stay
	case want.Key == "":
		return unlock
	case have.Key == "":
		return lock
	}
	return reseal
}
