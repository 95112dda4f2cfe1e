package scale

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSpread(t *testing.T) {
	var took []time.Duration
	for i := 200; i > 0; i-- {
		took = append(took, time.Duration(i))
	}
	if got, want := spread(took), (Spread{200, 100, 198, 200}); got != want {
		t.Errorf("of 1 to 200: %+v, want %+v", got, want)
	}
	if got, want := spread([]time.Duration{7}), (Spread{1, 7, 7, 7}); got != want {
		t.Errorf("of one: %+v, want %+v", got, want)
	}
	if got := spread(nil); got != (Spread{}) {
		t.Errorf("of none: %+v", got)
	}
}

func TestShares(t *testing.T) {
	o := Options{Agents: 10001, PerProcess: 5000, Tasks: 2500, Replicas: 1000}
	if got := o.groups(); !slices.Equal(got, []int{3333, 3334, 3334}) {
		t.Errorf("10001 agents are in processes of %v", got)
	}
	if got := o.services(); !slices.Equal(got, []int{1000, 1000, 500}) {
		t.Errorf("2500 tasks are services of %v", got)
	}
	if got := address(0); got != "127.1.0.0" {
		t.Errorf("the first agent is at %s", got)
	}
	if got := address(1<<16 + 258); got != "127.2.1.2" {
		t.Errorf("agent 65794 is at %s", got)
	}
	if per(10, 0) != 0 || per(10, 4) != 2.5 {
		t.Error("a share is no quotient")
	}
}

func TestCheck(t *testing.T) {
	good := Options{Agents: 100, Tasks: 1}.Defaults()
	if err := good.Check(); err != nil {
		t.Errorf("a small run is refused: %v", err)
	}
	for want, o := range map[string]Options{
		"--agents 0":                   {Agents: 0, Tasks: 1, Managers: 3},
		"none can be lost":             {Agents: 1, Tasks: 1, Managers: 1, Failover: true},
		"more than there are loopback": {Agents: mostAgents + 1, Tasks: 1, Managers: 3},
		"--burst -2 is not at least 0": {Agents: 1, Tasks: 1, Managers: 3, Burst: -2},
		"--tasks 0 is not at least 1":  {Agents: 1, Managers: 3},
	} {
		if err := o.Defaults().Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
	files := Options{Agents: 10000, PerProcess: 5000}
	if err := files.checkFiles(20000); err != nil {
		t.Errorf("10000 agents with 20000 files: %v", err)
	}
	if err := files.checkFiles(10100); err == nil || !strings.Contains(err.Error(), "the leader needs 10200 open files") {
		t.Errorf("10000 agents with 10100 files: %v", err)
	}
}

func TestAccounts(t *testing.T) {
	d, err := parseStat([]byte("12 (a) b (c) R 1 1 1 0 -1 4 0 0 0 0 150 25 0 0 20 0 9 0 100 0 0"))
	if err != nil || d != 1750*time.Millisecond {
		t.Errorf("150 and 25 ticks are %v, %v", d, err)
	}
	if _, err := parseStat([]byte("12 (a")); err == nil {
		t.Error("half a line was read")
	}
	d, err = parseBusy("cpu  100 0 50 9999 777 3 2 5 0 0")
	if err != nil || d != 1600*time.Millisecond {
		t.Errorf("the processors were busy for %v, %v", d, err)
	}
	if _, err := parseBusy("intr 1"); err == nil {
		t.Error("another line was read")
	}
	at := time.Unix(1000, 0)
	from := account{at: at, managers: []time.Duration{5, 5, 5}, agents: 10, self: 1, all: 100 * time.Second, net: agentsState{Read: 5}}
	to := account{at: at.Add(2 * time.Second), managers: []time.Duration{5 + time.Second, 0, 5 + 3*time.Second}, agents: 10 + time.Second, self: 1, all: 109 * time.Second, net: agentsState{Read: 25, Connected: 3}}
	s := from.until(to)
	if s.seconds != 2 || s.managers[0] != time.Second || s.managers[1] != 0 || s.agents != time.Second || s.others != 2 || s.net.Read != 20 || s.net.Connected != 3 {
		t.Errorf("between the two: %+v", s)
	}
	if got := s.besides(0); got != 3*time.Second {
		t.Errorf("the others that live used %v", got)
	}
}
