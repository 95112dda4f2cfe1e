package sim

import (
	"bufio"
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	seeds    = flag.Int("sim.seeds", 0, "how many seeds to run; 0: a few of each size of cluster")
	first    = flag.Uint64("sim.first", 1, "the first seed")
	managers = flag.Int("sim.managers", 3, "how many managers, where -sim.seeds is given")
	length   = flag.Duration("sim.length", 0, "virtual time of users and faults; 0: the default")
	trace    = flag.Bool("sim.trace", false, "print every event")
)

// TestSeeds runs clusters from seeds: each twice, with the same change log.
func TestSeeds(t *testing.T) {
	if *seeds > 0 {
		for i := range uint64(*seeds) {
			twice(t, *first+i, *managers)
		}
		return
	}
	for i := range uint64(4) {
		twice(t, *first+i, 1)
		twice(t, *first+i, 3)
	}
	twice(t, *first, 5)
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
		size, rest, _ := strings.Cut(strings.TrimPrefix(s.Text(), word+" "), " ")
		seed, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		count, err := strconv.Atoi(size)
		if err != nil {
			t.Fatalf("%q: %v", rest, err)
		}
		twice(t, seed, count)
	}
}

// TestDependencies runs clusters whose services depend on each other.
func TestDependencies(t *testing.T) {
	count := uint64(4)
	if *seeds > 0 {
		count = uint64(*seeds)
	}
	for seed := *first; seed < *first+count; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			if _, err := run(t, seed, Options{Length: *length, Managers: *managers, Depend: true}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func twice(t *testing.T, seed uint64, managers int) {
	t.Run(fmt.Sprintf("%d-%d", managers, seed), func(t *testing.T) {
		opts := Options{Length: *length, Managers: managers}
		if *trace {
			opts.Trace = func(line string) { t.Log(line) }
		}
		begin := time.Now()
		one, err := run(t, seed, opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d entries, %d events, %d faults, %d requests, %d crashes, %d terms, settled in %s, %s virtual in %s", one.Entries, one.Events, one.Faults,
			one.Requests, one.Crashes, one.Terms, one.Settled, one.Virtual, time.Since(begin).Round(time.Millisecond))
		opts.Trace = nil
		two, err := run(t, seed, opts)
		if err != nil {
			t.Fatal(err)
		}
		if one != two {
			t.Errorf("the second run differs from the first: %+v, %+v", one, two)
		}
	})
}

// run is Run with the raft library's randomness drawn from the seed, as skep sim does it.
func run(t *testing.T, seed uint64, opts Options) (Result, error) {
	t.Helper()
	old := rand.Reader
	defer func() { rand.Reader = old }()
	rand.Reader = Entropy(seed)
	return Run(seed, opts)
}
