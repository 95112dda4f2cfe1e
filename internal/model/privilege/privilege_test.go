package privilege

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"
)

// TestScripts: "parse" reads labels, one a line, and prints what they ask for; "allow PRIVILEGE PATTERN…" and "remove …"
// change the policy, which "check SERVICE" holds the last labels against.
func TestScripts(t *testing.T) {
	var policy Policy
	settings := &Settings{}
	datadriven.RunTest(t, "testdata/privileges.txt", func(t *testing.T, d *datadriven.TestData) string {
		var args []string
		for _, a := range d.CmdArgs {
			args = append(args, a.Key)
		}
		switch d.Cmd {
		case "parse":
			labels := map[string]string{}
			for line := range strings.Lines(d.Input) {
				k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
				labels[k] = v
			}
			s, err := Parse(labels)
			if err != nil {
				return "error: " + err.Error()
			}
			settings = s
			out := fmt.Sprintf("any %v, privileged %v, shm %d, security %q\n", s.Any(), s.Privileged, s.ShmSize, s.SecurityOpt)
			for _, d := range s.Devices {
				out += fmt.Sprintf("device %+v\n", d)
			}
			for _, g := range s.GPUs {
				out += fmt.Sprintf("gpus %+v\n", g)
			}
			out += fmt.Sprintf("tcp 8080 on %s, udp 53 on %s, tcp 53 on %s\n", s.HostIP(8080, "tcp"), s.HostIP(53, "udp"), s.HostIP(53, "tcp"))
			return out
		case "allow":
			policy = policy.With(args[0], args[1:]...)
		case "remove":
			var gone []string
			policy, gone = policy.Without(args[0], args[1:]...)
			b, _ := json.Marshal(policy)
			return fmt.Sprintf("%s, gone %v", b, gone)
		case "pattern":
			return fmt.Sprint(CheckPattern(d.Input))
		case "check":
			return fmt.Sprint(policy.Check(args[0], settings))
		default:
			d.Fatalf(t, "unknown command")
		}
		b, _ := json.Marshal(policy)
		return string(b)
	})
}

// TestNothingWithoutRule: whatever labels a service has, without a rule for each privilege that they ask for it is
// refused, and with the rules it is not.
func TestNothingWithoutRule(t *testing.T) {
	labels := map[string]string{
		"skep.privileged": "true", "skep.devices": "/dev/fuse", "skep.gpus": "all", "skep.security-opt": "label=disable",
		"skep.shm-size": "1g", "skep.publish.80.host-ip": "127.0.0.1",
	}
	of := map[string]string{"skep.publish.80.host-ip": HostIP}
	rapid.Check(t, func(t *rapid.T) {
		some := map[string]string{}
		var policy Policy
		allowed := true
		for k, v := range labels {
			asked, rule := rapid.Bool().Draw(t, "asked "+k), rapid.Bool().Draw(t, "rule "+k)
			name := of[k]
			if name == "" {
				name = strings.TrimPrefix(k, Prefix)
			}
			if rule {
				policy = policy.With(name, "other", "w?b*")
			}
			if asked {
				some[k] = v
				allowed = allowed && rule
			}
		}
		s, err := Parse(some)
		if err != nil {
			t.Fatal(err)
		}
		if err := policy.Check("web", s); (err == nil) != allowed {
			t.Fatalf("labels %v, policy %v: %v", some, policy, err)
		}
		if err := policy.Check("database", s); (err == nil) != (len(some) == 0) {
			t.Fatalf("labels %v of a service no rule names, policy %v: %v", some, policy, err)
		}
	})
}
