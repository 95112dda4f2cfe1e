package differential

import (
	"strings"
	"testing"
)

// TestPlanted holds the normaliser to what it is for: what runs differ in by nature is gone, and everything else
// still shows. In each line one thing of an answer is another than Docker's.
func TestPlanted(t *testing.T) {
	const (
		id, other = "y2x9zk3m4n5b6v7c8x9z0a1s2", "a1b2c3d4e5f6g7h8i9j0k1l2m"
		same, no  = false, true
	)
	for _, c := range []struct {
		name, docker, skep string
		differs            bool
	}{
		// By nature.
		{"another id", `{"ID":"` + id + `"}`, `{"ID":"` + other + `"}`, same},
		{"another time", `{"CreatedAt":"2026-11-22T19:31:27.123Z"}`, `{"CreatedAt":"2025-01-02T03:04:05Z"}`, same},
		{"another order of keys", `{"A":1,"B":2}`, `{"B":2,"A":1}`, same},
		{"another order of objects", `[{"ID":"a","Name":"x"},{"ID":"b","Name":"y"}]`, `[{"ID":"b","Name":"y"},{"ID":"a","Name":"x"}]`, same},
		{"another version index", `{"ID":"a","Version":{"Index":7}}`, `{"ID":"a","Version":{"Index":90}}`, same},
		{"another address", `{"Addr":"10.0.1.5"}`, `{"Addr":"10.0.7.9"}`, same},
		{"another token", "SWMTKN-1-abc-def", "SWMTKN-1-xyz-uvw", same},
		{"another digest", "skep/test@sha256:" + sixtyFour, "skep/test@sha256:" + strings.Repeat("f", 64), same},
		{"another pid", `{"PID":12}`, `{"PID":99}`, same},
		{"another age", "Running 5 seconds ago", "Running 2 minutes ago", same},
		{"other times in a stream", `{"Action":"create","time":1}` + "\n" + `{"Action":"update","time":2}`, `{"time":8,"Action":"create"}` + "\n" + `{"Action":"update","time":9}`, same},
		// Planted.
		{"another order of a stream", `{"Action":"create","time":1}` + "\n" + `{"Action":"update","time":2}`, `{"Action":"update","time":1}` + "\n" + `{"Action":"create","time":2}`, no},
		{"a stream's value is missing", `{"Action":"create","time":1}` + "\n" + `{"Action":"update","time":2}`, `{"Action":"create","time":1}`, no},
		{"a member is missing", `{"ID":"` + id + `","Spec":{}}`, `{"ID":"` + other + `"}`, no},
		{"a member too many", `{"ID":"` + id + `"}`, `{"ID":"` + other + `","Extra":null}`, no},
		{"a member is null", `{"Labels":{}}`, `{"Labels":null}`, no},
		{"an empty list for none", `{"Ports":null}`, `{"Ports":[]}`, no},
		{"a number as text", `{"Slot":1}`, `{"Slot":"1"}`, no},
		{"another number", `{"Slot":1}`, `{"Slot":2}`, no},
		{"another big number", `{"MaxAttempts":18446744073709551615}`, `{"MaxAttempts":18446744073709551614}`, no},
		{"another exit code", `{"ExitCode":1}`, `{"ExitCode":0}`, no},
		{"another name's case", `{"spec":1}`, `{"Spec":1}`, no},
		{"another order of values", `{"Args":["a","b"]}`, `{"Args":["b","a"]}`, no},
		{"an object twice", `[{"ID":"a"}]`, `[{"ID":"a"},{"ID":"a"}]`, no},
		{"an object is missing", `[{"ID":"a"}]`, `[]`, no},
		{"no list but its object", `[{"ID":"a"}]`, `{"ID":"a"}`, no},
		{"the id of another object", `{"ID":"` + id + `","ServiceID":"` + id + `"}`, `{"ID":"` + id + `","ServiceID":"` + other + `"}`, no},
		{"no id", `{"ID":"` + id + `"}`, `{"ID":""}`, no},
		{"no time", `{"CreatedAt":"2026-11-22T19:31:27Z"}`, `{"CreatedAt":"0001-01-01T00:00:00Z"}`, no},
		{"no time at all", `{"CreatedAt":"2026-11-22T19:31:27Z"}`, `{"CreatedAt":""}`, no},
		{"no address", `{"Addr":"10.0.1.5"}`, `{"Addr":""}`, no},
		{"another mask", `{"Addr":"10.0.1.5/24"}`, `{"Addr":"10.0.1.5/20"}`, no},
		{"an address the script gave", `{"Addr":"10.9.9.9"}`, `{"Addr":"10.9.9.8"}`, no},
		{"loopback", `{"Addr":"127.0.0.1"}`, `{"Addr":"10.0.0.1"}`, no},
		{"the version did not rise", `[{"ID":"a","Version":{"Index":7}},{"ID":"a","Version":{"Index":9}}]`, `[{"ID":"a","Version":{"Index":7}},{"ID":"a","Version":{"Index":7}}]`, no},
		{"no version", `{"ID":"a","Version":{"Index":7}}`, `{"ID":"a","Version":{}}`, no},
		{"another status", "404 application/json", "500 application/json", no},
		{"another content type", "404 application/json", "404 text/plain", no},
		{"another word", `{"message":"service web not found"}`, `{"message":"no such service: web"}`, no},
		{"another case of a word", `{"message":"Invalid filter 'x'"}`, `{"message":"invalid filter 'x'"}`, no},
		{"a point at the end", `{"message":"not found"}`, `{"message":"not found."}`, no},
		{"a line more", "a\nb", "a\nb\nc", no},
		{"a line twice", "a\nb", "a\na\nb", no},
		{"a column more", "ID  NAME", "ID  NAME  MODE", no},
		{"another count of replicas", "web 1/2", "web 2/2", no},
		{"another task's number", "web.1." + id, "web.2." + id, no},
		{"another image", "skep/test:1", "skep/test:2", no},
		{"another state", "Running 5 seconds ago", "Pending 5 seconds ago", no},
		{"the digest is missing", "skep/test@sha256:" + sixtyFour, "skep/test", no},
		{"no token", "SWMTKN-1-abc-def", "", no},
	} {
		say := func(text string) string {
			n := newNormaliser("the script names 10.9.9.9 alone", "vm")
			n.ids.learn(id + " " + other)
			if doc, ok := n.json([]byte(text), true); ok {
				return doc + "\n"
			}
			return n.text(text) + "\n"
		}
		diff, err := newComparison(nil).step(say(c.docker), say(c.skep))
		if err != nil {
			t.Fatal(err)
		}
		if (diff != "") != c.differs {
			t.Errorf("%s: %s against %s gives the diff %q", c.name, c.docker, c.skep, diff)
		}
	}
}
