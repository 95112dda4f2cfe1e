package filters

import (
	"testing"

	"github.com/skep-org/skep/internal/api/httperr"
)

func parse(t *testing.T, text string) Args {
	t.Helper()
	args, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return args
}

func TestForms(t *testing.T) {
	for _, text := range []string{`{"id":{"a":true,"b":true,"c":false}}`, `{"id":["a","b","c"]}`} {
		if args := parse(t, text); !args.Exact("id", "c") || args.Exact("id", "d") {
			t.Errorf("%s read as %v", text, args)
		}
	}
	for _, text := range []string{`{"id":{"a":true,"b":true}}`, `{"id":["a","b"]}`} {
		args := parse(t, text)
		if !args.Exact("id", "a") || !args.Exact("id", "b") || args.Exact("id", "c") || !args.Exact("name", "any") {
			t.Errorf("%s read as %v", text, args)
		}
	}
	if _, err := Parse(`{bad`); httperr.Status(err) != 400 {
		t.Errorf("malformed: %v", err)
	}
	if err := parse(t, `{"x":["1"]}`).Check("id"); err == nil || err.Error() != "Invalid filter 'x'" {
		t.Errorf("unknown key: %v", err)
	}
}

func TestMatching(t *testing.T) {
	args := parse(t, `{"name":["web"],"label":["a","b=1"],"yes":["1"],"both":["0","1"],"re":["^w.b$"]}`)
	labels := map[string]string{"a": "x", "b": "1"}
	for name, ok := range map[string]bool{
		"prefix":            args.Prefix("name", "web-1"),
		"other prefix":      !args.Prefix("name", "aweb"),
		"labels":            args.Labels("label", labels),
		"label missing":     !args.Labels("label", map[string]string{"a": "x"}),
		"label other value": !args.Labels("label", map[string]string{"a": "x", "b": "2"}),
		"pattern":           args.Pattern("re", "wxb"),
		"begins":            args.Begins("name", "web-1") && args.Begins("re", "wxb"),
		"begins elsewhere":  !args.Begins("name", "aweb"),
		"pattern anchored":  !args.Pattern("re", "wxxb"),
	} {
		if !ok {
			t.Error(name)
		}
	}
	if v, ok, err := args.Bool("yes"); !v || !ok || err != nil {
		t.Errorf("yes: %v %v %v", v, ok, err)
	}
	if _, _, err := args.Bool("both"); httperr.Status(err) != 400 {
		t.Errorf("both: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"id":{"a":true}}`)
	f.Add(`{"id":["a"]}`)
	f.Add(`{"id":null}`)
	f.Fuzz(func(t *testing.T, text string) {
		args, err := Parse(text)
		if err == nil && args == nil {
			t.Fatal("neither arguments nor an error")
		}
	})
}
