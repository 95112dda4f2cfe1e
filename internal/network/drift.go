package network

// Drift is something in the kernel that is not as it is to be.
type Drift struct {
	Where string
	Kind  Kind
	What  string // the thing, with its kind
	How   How
}

// How something differs from what is wanted.
type How string

// Ways to differ.
const (
	Missing How = "missing"
	Extra   How = "extra"
	Differs How = "differs"
)

func (d Drift) String() string { return d.Where + ": " + d.What + " " + string(d.How) }

// Drifts are what operations say about the state they are to end. Connections to forget are no drift.
func Drifts(ops []Op) []Drift {
	var all []Drift
	for _, op := range ops {
		if op.Kind == KindFlows {
			continue
		}
		how := Differs
		switch op.Act {
		case Add:
			how = Missing
		case Remove:
			how = Extra
		}
		all = append(all, Drift{Where: op.Where(), Kind: op.Kind, What: op.What(), How: how})
	}
	return all
}
