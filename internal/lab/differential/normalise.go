package differential

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// normaliser replaces what cannot be equal on two runs by words that can.
type normaliser struct {
	ids      *ids
	versions *versions
	host     *regexp.Regexp
	script   string // addresses the script itself gives are kept
	strings  *strings.Replacer
}

// newNormaliser takes the scenario's text and pairs of fixed strings of this
// side (its directory, the engine's version) with what they become.
func newNormaliser(script, hostname string, fixed ...string) *normaliser {
	return &normaliser{
		ids:      newIDs(),
		versions: newVersions(),
		host:     regexp.MustCompile(`\b` + regexp.QuoteMeta(hostname) + `\b`),
		script:   script,
		strings:  strings.NewReplacer(fixed...),
	}
}

type replacement struct {
	re   *regexp.Regexp
	with string
}

// plain are replacements that need no memory, applied in order.
var plain = []replacement{
	{regexp.MustCompile(`0001-01-01T00:00:00Z`), "<no time>"},
	{regexp.MustCompile(`0001-01-01 00:00:00 \+0000 (?:UTC|utc)`), "<no time>"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)`), "<time>"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? \+0000 (?:UTC|utc)`), "<time>"},
	{regexp.MustCompile(`(?i)(?:less than a second|about an? \w+|\d+ (?:second|minute|hour)s?) ago`), "<ago>"},
	{regexp.MustCompile(`\bUp (?:Less than a second|About an? \w+|\d+ (?:second|minute|hour)s?)`), "Up <time>"},
	// What the CLI says of an image no registry knows, which is each image here.
	{regexp.MustCompile(`(?s)image (\S+) could not be accessed on a registry.*?versions of the image\.`), "<no digest for $1>"},
	{regexp.MustCompile(`(?m)^( Issuer (?:Subject|Public Key):)\s+\S+`), "$1 <certificate>"},
	{regexp.MustCompile(`SWMTKN-1-[0-9a-z]+-[0-9a-z]+`), "<token>"},
	{regexp.MustCompile(`SWMKEY-1-[0-9A-Za-z+/]+`), "<key>"},
	{regexp.MustCompile(`-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----(?:\\n|\n)?`), "<pem>"},
}

var (
	address = regexp.MustCompile(`\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(/\d+)?\b`)
	// unprintable bytes are those of the stream headers that logs come in.
	unprintable = regexp.MustCompile(`[\x00-\x08\x0e-\x1f\x7f]`)
	spaces      = regexp.MustCompile(`(\S)  +`)
	// progress lines tell of every poll of the CLI; what counts is the last word.
	progress = regexp.MustCompile(`(?m)^(?:overall progress: .*|\d+/\d+: .*|[0-9a-z]{12}: .*|verify: Waiting .*|job progress: .*|active tasks: .*)\n`)
)

// text normalises what a command printed. JSON is put in canonical form, since
// the order of keys says nothing.
func (n *normaliser) text(s string) string {
	if doc, ok := n.json([]byte(s), false); ok {
		return doc
	}
	s = progress.ReplaceAllString(s, "")
	return n.words(s)
}

// words replaces values inside of a text.
func (n *normaliser) words(s string) string {
	s = n.strings.Replace(s)
	for _, p := range plain {
		s = p.re.ReplaceAllString(s, p.with)
	}
	s = n.host.ReplaceAllString(n.ids.replace(s), "<host>")
	s = address.ReplaceAllStringFunc(s, func(a string) string {
		if strings.HasPrefix(a, "127.") || strings.HasPrefix(a, "0.0.0.0") || strings.Contains(n.script, a) {
			return a
		}
		if _, bits, ok := strings.Cut(a, "/"); ok {
			return "<ip>/" + bits
		}
		return "<ip>"
	})
	s = strings.ToValidUTF8(s, "\\x…")
	s = unprintable.ReplaceAllStringFunc(s, func(c string) string { return strings.Trim(strconv.QuoteToASCII(c), `"`) })
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(spaces.ReplaceAllString(l, "$1  "), " \r")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// json normalises a JSON document or, where one may come, a stream of them as events are; ok is false when s is none.
func (n *normaliser) json(s []byte, stream bool) (doc string, ok bool) {
	s = bytes.TrimSpace(s)
	if len(s) == 0 || (s[0] != '{' && s[0] != '[') {
		return "", false
	}
	dec := json.NewDecoder(bytes.NewReader(s))
	dec.UseNumber()
	var values []any
	for {
		var v any
		err := dec.Decode(&v)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || len(values) > 0 && !stream {
			return "", false
		}
		values = append(values, n.value(v))
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if len(values) == 1 { // of a stream each value is a line
		enc.SetIndent("", " ")
	}
	for _, v := range values {
		if enc.Encode(v) != nil {
			return "", false
		}
	}
	return n.words(out.String()), true
}
