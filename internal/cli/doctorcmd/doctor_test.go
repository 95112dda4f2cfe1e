package doctorcmd

import (
	"strings"
	"testing"

	"github.com/skep-org/skep/internal/provision/doctor"
)

func TestRender(t *testing.T) {
	r := Report{
		Facts:    doctor.Facts{Host: "m1", Kernel: "6.1", Engine: doctor.Engine{Version: "20.10"}, Daemon: doctor.Daemon{Version: "1.2", State: "active"}},
		Findings: []doctor.Finding{{Area: "disk", Level: doctor.Wrong, What: "it is full", Why: "nothing is written", Mend: "df -h"}},
	}
	want := "wrong: disk: it is full\n  nothing is written\n  $ df -h\nm1: kernel 6.1; Docker Engine 20.10; skep 1.2, an active worker\n"
	if got := render(r); got != want {
		t.Errorf("%s", got)
	}
	r.Facts.Daemon.Err, r.Facts.Engine.Err = "silent", "silent"
	if got := render(r); !strings.Contains(got, "no Docker Engine answers; no skep daemon answers") {
		t.Errorf("%s", got)
	}
	if err := verdict(r.Findings); err == nil || err.Error() != "1 thing is wrong" {
		t.Error(err)
	}
	r.Findings[0].Level = doctor.Doubtful
	if err := verdict(r.Findings); err != nil {
		t.Error(err)
	}
}
