package keys

// Verdict is what a cluster makes of a key.
type Verdict uint8

// The verdicts.
const (
	Honoured Verdict = iota
	ByValue          // the conversion looks at the value; the entry says what it depends on
	Noted            // honoured, in another way than it is written
	Warned           // left out, and said
	Refused          // nothing is deployed
)

func (v Verdict) String() string {
	return [...]string{"honoured", "by value", "honoured, with a note", "warned", "refused"}[v]
}

// Entry is a key of the specification. A path is written as compose-go writes it: * for a name of the user's choice, []
// for the elements of a list.
type Entry struct {
	Path    string
	Verdict Verdict
	Says    string // what a finding says, and the document
	Below   bool   // what is below the key needs no entries of its own; so it is below all that are noted, warned or refused
	Written bool   // counts only where a file has the key: the specification fills it in everywhere else
}

// Table is every key there is.
func Table() []Entry {
	var all []Entry
	for _, part := range [][]Entry{top(), container(), workload(), build(), deploy(), service(), networks(), files()} {
		all = append(all, part...)
	}
	return all
}

// leaves are keys that are honoured and need no words.
func leaves(below string, names ...string) []Entry {
	out := make([]Entry, 0, len(names))
	for _, name := range names {
		out = append(out, Entry{Path: below + name})
	}
	return out
}

// maps are honoured keys whose values have keys of the user's choice.
func maps(below string, names ...string) []Entry {
	out := make([]Entry, 0, len(names))
	for _, name := range names {
		out = append(out, Entry{Path: below + name, Below: true})
	}
	return out
}

// top are the keys of the file as a whole.
func top() []Entry {
	return []Entry{
		{Path: "version", Says: "the specification has no versions any more: it is read and means nothing"},
		{Path: "name", Says: "the stack's name, when the command gives none"},
		{Path: "include"},
		{Path: "include.[].path"},
		{Path: "include.[].env_file"},
		{Path: "include.[].project_directory"},
		{Path: "services"},
		{Path: "services.*"},
		{Path: "jobs", Verdict: Refused, Says: "a cluster has no jobs of this kind: make it a service with deploy.mode replicated-job or global-job"},
		{Path: "models", Verdict: Refused, Says: "a cluster runs no model runners: give services the address of one that runs elsewhere"},
	}
}
