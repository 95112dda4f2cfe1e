package api

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/skep-org/skep/internal/env"
)

// Words for the names of services that were given none.
const (
	adjectives = "amber brave brisk calm clever crisp dapper eager fleet gentle golden happy humble jolly keen lively lucid " +
		"mellow merry modest neat nimble noble patient plucky proud quick quiet ready steady sunny swift tidy vivid warm wise zesty"
	bees = "apis bombus carder comb digger drone fielder forager guard hive honey leafcutter mason meadow miner nectar orchard " +
		"petal pollen propolis queen sage skep swarmer thyme wax worker clover heather linden"
)

// randomName makes a name nobody has.
func randomName(e env.Env, taken func(string) bool) string {
	for try := 0; ; try++ {
		id := e.NewID()
		a, b := strings.Fields(adjectives), strings.Fields(bees)
		name := a[int(binary.BigEndian.Uint16(id[:]))%len(a)] + "_" + b[int(binary.BigEndian.Uint16(id[2:]))%len(b)]
		if try > 0 {
			name += strconv.Itoa(int(id[4]))
		}
		if !taken(name) {
			return name
		}
	}
}
