#!/bin/bash
# Runs every scenario of internal/lab/differential on Docker's own swarm mode and on skep, both live, then some of
# them once more with a newer docker CLI. The last line counts: scenarios N, equal N, listed N, different N.
set -uo pipefail
cd "$(dirname "$0")/.."

summary=$(mktemp)
trap 'rm -f "$summary"' EXIT
status=0

go test -timeout 60m -count 1 ./internal/lab/differential -side=both -long -summary "$summary" || status=1

# Some scenarios say nothing that depends on the CLI's age: those have to hold with any.
with_any_cli='^(bad_requests|scale|global|names|history|health|secrets_configs|stale_version)$'
if cli=$(scripts/newest-cli.sh); then
  echo "the same with $("$cli" --version):"
  go test -timeout 30m -count 1 ./internal/lab/differential -run "TestScenarios/$with_any_cli" -side=both -cli "$cli" -summary "$summary" || status=1
fi

awk '
  /^scenarios [0-9]+, / { gsub(",", ""); for (i = 2; i <= 8; i += 2) n[i] += $i; next }
  { name = $1; sub(/^[^ ]+ /, ""); shown[name] = shown[name] ? shown[name] ", " $0 : $0 }
  END {
    for (name in shown) print "listed", name, shown[name]
    if (n[2] == 0) print "no scenario was compared"
    printf "scenarios %d, equal %d, listed %d, different %d\n", n[2], n[4], n[6], n[8]
  }' "$summary"
exit $status
