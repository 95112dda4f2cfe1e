package sim

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"
)

var (
	seeds  = flag.Int("sim.seeds", 25, "how many seeds to run")
	first  = flag.Uint64("sim.first", 1, "the first seed")
	length = flag.Duration("sim.length", 0, "virtual time of users and faults; 0: the default")
	trace  = flag.Bool("sim.trace", false, "print every event")
)

// TestSeeds runs clusters from seeds: each twice, with the same change log.
func TestSeeds(t *testing.T) {
	for i := range uint64(*seeds) {
		twice(t, *first+i)
	}
}

// TestKeptSeeds runs those that once found something.
func TestKeptSeeds(t *testing.T) {
	f, err := os.Open("testdata/seeds.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		word, _, _ := strings.Cut(s.Text(), " ")
		if word == "" || word == "#" {
			continue
		}
		seed, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		twice(t, seed)
	}
}

func twice(t *testing.T, seed uint64) {
	t.Run(fmt.Sprint(seed), func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, seed) // the raft library draws from it
		opts := Options{Length: *length}
		if *trace {
			opts.Trace = func(line string) { t.Log(line) }
		}
		begin := time.Now()
		one, err := Run(seed, opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d entries, %d events, %d crashes, %s virtual in %s", one.Entries, one.Events, one.Crashes, one.Virtual, time.Since(begin).Round(time.Millisecond))
		cryptotest.SetGlobalRandom(t, seed)
		opts.Trace = nil
		two, err := Run(seed, opts)
		if err != nil {
			t.Fatal(err)
		}
		if one != two {
			t.Errorf("the second run differs from the first: %+v, %+v", one, two)
		}
	})
}
