package differential

import "testing"

func TestNormalise(t *testing.T) {
	const id, other = "y2x9zk3m4n5b6v7c8x9z0a1s2", "a1b2c3d4e5f6g7h8i9j0k1l2m"
	n := newNormaliser("dns 10.1.1.1", "vm", "/tmp/x", "<dir>")
	n.ids.learn(id + " " + other)
	for _, c := range []struct{ name, in, want string }{
		{"ids are numbered as they appear", other + " " + id + " " + other[:12], "<id1> <id2> <id1>"},
		{"words of twelve letters stay", "abcdefghijkl", "abcdefghijkl"},
		{"task names", "web.1." + id, "web.1.<id2>"},
		{"digests", "sha256:" + sixtyFour, "sha256:<digest>"},
		{"times", "2026-11-22T19:31:27.1Z 0001-01-01T00:00:00Z", "<time> <no time>"},
		{"ages", "Running 5 seconds ago, Less than a second ago", "Running <ago>, <ago>"},
		{"addresses, but for those of the script", "10.0.0.7/24 10.1.1.1 127.0.0.1", "<ip>/24 10.1.1.1 127.0.0.1"},
		{"tables", "ID      NAME\nab      vm   ", "ID  NAME\nab  <host>"},
		{"progress", "overall progress: 1 out of 2 tasks\n1/2: running\nverify: Service converged", "verify: Service converged"},
		{"stream headers", "\x01\x00a", `\x01\x00a`},
		{"directories", "/tmp/x/y", "<dir>/y"},
		{"JSON in canonical form", `{"PID":7,"B":[2,1],"A":"` + id + `"}`, "{\n \"A\": \"<id2>\",\n \"B\": [\n  2,\n  1\n ],\n \"PID\": \"<pid>\"\n}"},
	} {
		if got := n.text(c.in); got != c.want {
			t.Errorf("%s: %q became %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

const sixtyFour = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestVersionsAreRankedPerObject(t *testing.T) {
	n := newNormaliser("", "vm")
	n.text(`{"ID":"a","Version":{"Index":17}}`)
	got := n.text(`[{"ID":"a","Version":{"Index":17}},{"ID":"a","Version":{"Index":40}},{"ID":"b","Version":{"Index":3}}]`)
	want := n.text(`[{"ID":"a","Version":{"Index":"<v1>"}},{"ID":"a","Version":{"Index":"<v2>"}},{"ID":"b","Version":{"Index":"<v1>"}}]`)
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCompare(t *testing.T) {
	list, err := parseKnown(step{input: "^note: ", order: []string{"explains-itself"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, docker, skep string
		differs            bool
	}{
		{"equal", "a\n", "a\n", false},
		{"the trace of gRPC", "rpc error: code = NotFound desc = no\n", "no\n", false},
		{"ids stand for each other", "<id1> <id2>\n", "<id4> <id5>\n", false},
		{"and keep doing so", "<id1>\n", "<id5>\n", true},
		{"a known line", "a\n", "note: b\na\n", false},
		{"another line", "a\n", "b\na\n", true},
	} {
		comparison := newComparison(list)
		if _, err := comparison.step("<id1> <id2>\n", "<id4> <id5>\n"); err != nil {
			t.Fatal(err)
		}
		diff, err := comparison.step(c.docker, c.skep)
		if err != nil {
			t.Fatal(err)
		}
		if (diff != "") != c.differs {
			t.Errorf("%s: the diff is %q", c.name, diff)
		}
	}
	if !list[0].used {
		t.Error("the known difference was not noticed")
	}
}

func TestKnownNeedsAName(t *testing.T) {
	if _, err := parseKnown(step{pos: "x:1", input: "^line$", order: []string{"sometimes"}}); err == nil {
		t.Error("a known difference that is not in the list was accepted")
	}
}
