package bench

import (
	"fmt"
	"strings"
)

// AboutSpread says what the figures of Spread are, and what the engine alone leaves out.
func AboutSpread(rounds int, machine string) string {
	return fmt.Sprintf(`A service's tasks on three workers: %[1]d are created, scaled to %[2]d, removed, created again, updated to another image ten at a
time, and one of the three nodes is drained. A work is done when the workers' engines say that the wanted containers run, and no others.
Two labs of a manager and three workers, made by skep lab, are up at the same time, one with skep and one in Docker's swarm mode; the
tasks are on one overlay network, without a virtual address. Medians of %[3]d rounds in one run, the sides taking turns, on %[4]s.

"Engine alone" is as many containers on the same three engines without any cluster, %[5]d at a time. They are on a bridge network that
was made for them, since the engine sets up a name server in each container of such a network, as for a task, and not on its default one;
they are ended by their signal and then removed, as a task's are. It leaves out what an overlay adds: the way out beside it, which is a second
connection of each container, the network between the hosts, names and addresses for all of them; and it need not decide or report anything.

The first table is the time that a user waits. The second is the processor time of everything that ran on the hosts meanwhile: it says
how much work was done, and hardly depends on what else the machine does. Below 1.00, skep is ahead.`,
		spreadSmall, spreadLarge, rounds, machine, atATime)
}

// SpreadTable is the results of Spread: the time they took, and the processors' time.
func SpreadTable(results []SpreadResult) string {
	var waited, spent []Result
	for _, r := range results {
		waited, spent = append(waited, r.Result), append(spent, r.Spent)
	}
	var b strings.Builder
	b.WriteString(Table(waited))
	b.WriteString("\nProcessor time of all hosts:\n\n")
	b.WriteString(Table(spent))
	return b.String()
}

// WriteSpread writes the results for machines.
func WriteSpread(path string, results []SpreadResult) error {
	rounded := make([]SpreadResult, 0, len(results))
	for _, r := range results {
		rounded = append(rounded, SpreadResult{r.Result.rounded(), r.Spent.rounded()})
	}
	return writeJSON(path, rounded)
}
