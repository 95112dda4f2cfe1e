package hosts

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cut is a direction in which no packet passes.
type cut struct{ From, To string }

// faults are what is wrong with the lab's network. They are kept in faults.json and put into effect at the switch.
type faults struct {
	Cuts []cut `json:",omitempty"`
	// Loss is, for a machine, how many of a hundred packets from it and to it are lost.
	Loss map[string]int `json:",omitempty"`
	// Delay is, for a machine, how much later packets from it and to it arrive.
	Delay map[string]time.Duration `json:",omitempty"`
	// Rate is, for a machine, how much its link carries each way.
	Rate map[string]Bitrate `json:",omitempty"`
}

// separate adds cuts between groups: everyone in one loses everyone in the others, or with oneWay the first group's
// packets do not reach the others.
func (f *faults) separate(groups [][]string, oneWay bool) {
	for i, from := range groups {
		for j, to := range groups {
			if i == j || oneWay && i > 0 {
				continue
			}
			for _, a := range from {
				for _, b := range to {
					if c := (cut{a, b}); !slices.Contains(f.Cuts, c) {
						f.Cuts = append(f.Cuts, c)
					}
				}
			}
		}
	}
}

// groups checks the groups of a partition. A single one is separated from all other hosts.
func (l *Lab) groups(groups [][]string) ([][]string, error) {
	var named []string
	for _, g := range groups {
		if len(g) == 0 {
			return nil, errors.New("a group of the partition is empty")
		}
		for _, name := range g {
			if _, err := l.Find(name); err != nil {
				return nil, err
			}
			if slices.Contains(named, name) {
				return nil, fmt.Errorf("%s cannot be on two sides of a partition", name)
			}
			named = append(named, name)
		}
	}
	if len(groups) > 1 {
		return groups, nil
	}
	var rest []string
	for _, h := range l.Hosts() {
		if !slices.Contains(named, h.Name) {
			rest = append(rest, h.Name)
		}
	}
	if len(named) == 0 || len(rest) == 0 {
		return nil, errors.New("a partition needs hosts on both sides")
	}
	return append(groups, rest), nil
}

// rules is the input of nft that puts cuts and losses into effect at once, in place of those before.
func (f faults) rules() string {
	var b strings.Builder
	b.WriteString("table bridge skep_lab\ndelete table bridge skep_lab\n")
	if len(f.Cuts) == 0 && len(f.Loss) == 0 {
		return b.String()
	}
	b.WriteString("table bridge skep_lab {\n\tchain forward {\n\t\ttype filter hook forward priority 0; policy accept;\n")
	for _, c := range f.Cuts {
		fmt.Fprintf(&b, "\t\tiifname %q oifname %q drop\n", c.From, c.To)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Loss)) {
		some := fmt.Sprintf(" numgen random mod 100 < %d", f.Loss[name])
		if f.Loss[name] == 100 {
			some = "" // nft finds it senseless to compare with all of a hundred
		}
		for _, side := range []string{"iifname", "oifname"} {
			fmt.Fprintf(&b, "\t\t%s %q%s drop\n", side, name, some)
		}
	}
	b.WriteString("\t}\n}\n")
	return b.String()
}

// String tells the faults to people, one a line.
func (f faults) String() string {
	var b strings.Builder
	for _, c := range f.Cuts {
		if !slices.Contains(f.Cuts, cut{c.To, c.From}) {
			fmt.Fprintf(&b, "%s does not reach %s\n", c.From, c.To)
		} else if c.From < c.To {
			fmt.Fprintf(&b, "%s and %s do not reach each other\n", c.From, c.To)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Loss)) {
		b.WriteString("of packets from and to " + name + " " + strconv.Itoa(f.Loss[name]) + " % are lost\n")
	}
	for _, name := range slices.Sorted(maps.Keys(f.Delay)) {
		b.WriteString("packets from and to " + name + " are " + f.Delay[name].String() + " late\n")
	}
	for _, name := range slices.Sorted(maps.Keys(f.Rate)) {
		b.WriteString("the link of " + name + " carries " + f.Rate[name].String() + " each way\n")
	}
	return b.String()
}
