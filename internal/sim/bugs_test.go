package sim

import (
	"flag"
	"strings"
	"testing"
)

var (
	bugSeeds = flag.Uint64("sim.bugseeds", 0, "within how many seeds each planted bug is to be found, all of them; 0: a few bugs that show soon, within 20")
	onlyBug  = flag.String("sim.bug", "", "look for this planted bug only")
)

// plantedBug is a mistake, and whether it shows within a few seeds.
type plantedBug struct {
	bug  bug
	soon bool // cheap enough to look for each time
}

func plantedBugs() []plantedBug {
	return []plantedBug{
		{bugLostFsync, false},
		{bugEarlyDurable, false},
		{bugOutOfOrder, true},
		{bugSkippedEntry, true},
		{bugOwnClock, true},
		{bugEarlyAnswer, true},
		{bugRetriedWrite, false},
		{bugStaleRead, false},
		{bugTwoTasks, true},
		{bugOldReport, true},
		{bugMisdirected, true},
		{bugLostChange, true},
	}
}

// TestPlantedBugs shows that the simulation finds what it is there to find.
func TestPlantedBugs(t *testing.T) {
	for _, p := range plantedBugs() {
		within := *bugSeeds
		if within == 0 {
			within = 20
		}
		if *onlyBug != "" && !strings.Contains(string(p.bug), *onlyBug) || *bugSeeds == 0 && !p.soon {
			continue
		}
		t.Run(string(p.bug), func(t *testing.T) {
			for seed := uint64(1); seed <= within; seed++ {
				if _, err := run(t, seed, Options{Managers: 3, bug: p.bug}); err != nil {
					t.Logf("found by seed %d: %.300s", seed, err)
					return
				}
			}
			t.Errorf("not found within %d seeds", within)
		})
	}
}
