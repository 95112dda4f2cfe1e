package vault

import (
	"testing"

	"github.com/cockroachdb/datadriven"
)

func TestDecide(t *testing.T) {
	datadriven.Walk(t, "testdata/decide", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var have, want Lock
			d.ScanArgs(t, "have", &have.Key, &have.Version)
			d.ScanArgs(t, "want", &want.Key, &want.Version)
			for _, l := range []*Lock{&have, &want} {
				if l.Key == "none" {
					l.Key = ""
				}
			}
			return decide(have, want).String() + "\n"
		})
	})
}
