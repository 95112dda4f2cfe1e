package differential

import (
	"regexp"
	"strconv"
)

// ids numbers random identifiers in the order in which a side shows them.
//
// The CLI cuts ids to 12 characters, which no pattern can tell from a word, so
// short forms are recognised only for ids that were learned in full before.
type ids struct {
	byShort map[string]string // 12 characters → full
	number  map[string]int    // by the 12 characters, so that both forms share a number
}

var (
	swarmID  = regexp.MustCompile(`\b[0-9a-z]{25}\b`)
	hexID    = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
	digestID = regexp.MustCompile(`\bsha256:[0-9a-f]{12,64}\b`)
)

func newIDs() *ids {
	return &ids{byShort: map[string]string{}, number: map[string]int{}}
}

// learn notes the identifiers found in any text, without numbering them.
func (n *ids) learn(text string) {
	for _, re := range []*regexp.Regexp{swarmID, hexID} {
		for _, id := range re.FindAllString(text, -1) {
			n.byShort[id[:12]] = id
		}
	}
}

// replace puts numbered names in place of ids.
func (n *ids) replace(text string) string {
	text = digestID.ReplaceAllString(text, "sha256:<digest>")
	n.learn(text)
	numbered := func(id string) string {
		short := id[:12]
		if _, known := n.byShort[short]; !known {
			return id
		}
		if n.number[short] == 0 {
			n.number[short] = len(n.number) + 1
		}
		return "<id" + strconv.Itoa(n.number[short]) + ">"
	}
	// One pass over all forms, so that numbers follow the order in the text.
	return anyID.ReplaceAllStringFunc(text, numbered)
}

var anyID = regexp.MustCompile(`\b(?:[0-9a-f]{64}|[0-9a-z]{25}|[0-9a-z]{12})\b`)
