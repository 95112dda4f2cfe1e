package compose

import (
	"io"
	"regexp"
	"strings"
	"sync"

	"github.com/sirupsen/logrus"

	"github.com/skep-org/skep/internal/stack/finding"
	"github.com/skep-org/skep/internal/stack/source"
)

// said are the warnings of compose-go, which it writes to the log of a library and returns to nobody.
type said struct {
	mu    sync.Mutex
	lines []string
	stop  func()
}

func listen() *said {
	s := &said{}
	log := logrus.StandardLogger()
	out := log.Out
	hooks := log.ReplaceHooks(logrus.LevelHooks{logrus.WarnLevel: {s}})
	log.SetOutput(io.Discard)
	s.stop = func() {
		log.ReplaceHooks(hooks)
		log.SetOutput(out)
	}
	return s
}

// Levels and Fire make it a hook of the log.
func (s *said) Levels() []logrus.Level { return []logrus.Level{logrus.WarnLevel} }

// Fire takes a line of the log.
func (s *said) Fire(e *logrus.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, e.Message)
	return nil
}

// findings are what was said, with the places of variables. Versions are left out: that they mean nothing changes nothing.
func (s *said) findings(files *source.Files) []finding.Finding {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []finding.Finding
	for _, line := range s.lines {
		if strings.Contains(line, "attribute `version` is obsolete") {
			continue
		}
		f := finding.Finding{Severity: finding.Warned, Text: line}
		if m := unset().FindStringSubmatch(line); m != nil {
			f.Text = "the variable " + m[1] + " is not set: it is read as nothing"
			at := files.Mention("${"+m[1], "$"+m[1])
			f.File, f.Line = at.File, at.Line
		}
		out = append(out, f)
	}
	return finding.Sort(out)
}

func unset() *regexp.Regexp { return regexp.MustCompile(`^The "([^"]+)" variable is not set`) }
