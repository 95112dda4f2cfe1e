package sim

import (
	"flag"
	"strings"
	"testing"
)

var (
	bugSeeds = flag.Uint64("sim.bugseeds", 200, "within how many seeds each planted bug is to be found")
	bugFirst = flag.Bool("sim.bugfirst", false, "begin with the first seed instead of the one that is known to find a bug")
	onlyBug  = flag.String("sim.bug", "", "look for this planted bug only")
)

// plantedBug is a mistake, and the seed by which it was found last, which is tried before the others: with any change of
// a decision it may be another one.
type plantedBug struct {
	bug  bug
	seed uint64
}

func plantedBugs() []plantedBug {
	return []plantedBug{
		{bugLostFsync, 2},
		{bugEarlyDurable, 2},
		{bugOutOfOrder, 1},
		{bugSkippedEntry, 1},
		{bugOwnClock, 1},
		{bugEarlyAnswer, 1},
		{bugRetriedWrite, 1},
		{bugStaleRead, 1},
		{bugTwoTasks, 1},
		{bugOldReport, 1},
		{bugMisdirected, 2},
		{bugLostChange, 3},
		{bugEarlyAnswered, 1},
		{bugLostEndpoint, 1},
		{bugForgotVote, 4},
		{bugDeposed, 9},
		{bugJobAgain, 1},
	}
}

// TestPlantedBugs shows that the simulation finds what it is there to find.
func TestPlantedBugs(t *testing.T) {
	for _, p := range plantedBugs() {
		if *onlyBug != "" && !strings.Contains(string(p.bug), *onlyBug) {
			continue
		}
		t.Run(string(p.bug), func(t *testing.T) {
			found := func(seed uint64) bool {
				_, err := run(t, seed, Options{Managers: 3, bug: p.bug})
				if err != nil {
					t.Logf("found by seed %d: %.300s", seed, err)
				}
				return err != nil
			}
			if !*bugFirst && found(p.seed) {
				return
			}
			for seed := uint64(1); seed <= *bugSeeds; seed++ {
				if found(seed) {
					return
				}
			}
			t.Errorf("not found within %d seeds", *bugSeeds)
		})
	}
}
