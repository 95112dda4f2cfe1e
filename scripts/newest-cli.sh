#!/bin/bash
# Builds the newest docker CLI from the Go module proxy, in a module of its own below the user's cache directory, and
# prints where it is. Where it cannot be built it says why and exits with 1.
set -euo pipefail

export GOFLAGS=-mod=mod CGO_ENABLED=0
cache="${XDG_CACHE_HOME:-$HOME/.cache}/skep/docker-cli"
mkdir -p "$cache"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cannot() { echo "the newest docker CLI is not tried: $*" >&2; exit 1; }

printf 'module dockercli\n\ngo 1.26\n' > go.mod
version=$(go list -m -f '{{.Version}}' github.com/docker/cli@latest 2> log) || cannot "$(tail -1 log)"
number=${version#v}
number=${number%+incompatible}
binary="$cache/docker-$number"
if [ -x "$binary" ]; then
  echo "$binary"
  exit 0
fi

# The CLI's module file has another name in its repository, so it is built as the main module, in a copy of its own.
source=$(go mod download -json "github.com/docker/cli@$version" 2> log | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p') || cannot "$(tail -1 log)"
cp -r --no-preserve=mode "$source" cli
cd cli
rm -rf vendor
mv vendor.mod go.mod
mv vendor.sum go.sum

# Of swarmkit the CLI takes the defaults of a service's settings, for its help and for what it fills in. The module
# proxy does not hand out swarmkit everywhere: these are the same defaults, from the reference of docker service create.
stand_in() {
  mkdir -p swarmkit/api/defaults
  printf 'module github.com/moby/swarmkit/v2\n\ngo 1.24\n\nrequire github.com/gogo/protobuf v1.3.2\n' > swarmkit/go.mod
  cat > swarmkit/api/api.go <<'GO'
package api

import (
	"time"

	"github.com/gogo/protobuf/types"
)

type (
	UpdateConfig_FailureAction int32
	UpdateConfig_UpdateOrder   int32
	RestartPolicy_Condition    int32
)

const (
	UpdateConfig_STOP_FIRST UpdateConfig_UpdateOrder = iota
	UpdateConfig_START_FIRST
)

const (
	RestartOnNone RestartPolicy_Condition = iota
	RestartOnFailure
	RestartOnAny
)

var UpdateConfig_FailureAction_name = map[int32]string{0: "PAUSE", 1: "CONTINUE", 2: "ROLLBACK"}

type UpdateConfig struct {
	Parallelism     uint64
	Delay           time.Duration
	FailureAction   UpdateConfig_FailureAction
	Monitor         *types.Duration
	MaxFailureRatio float32
	Order           UpdateConfig_UpdateOrder
}

type RestartPolicy struct {
	Condition   RestartPolicy_Condition
	Delay       *types.Duration
	MaxAttempts uint64
	Window      *types.Duration
}

type ContainerSpec struct{ StopGracePeriod *types.Duration }

type TaskSpec struct {
	Container *ContainerSpec
	Restart   *RestartPolicy
}

func (t TaskSpec) GetContainer() *ContainerSpec { return t.Container }

type ServiceSpec struct {
	Task             TaskSpec
	Update, Rollback *UpdateConfig
}
GO
  cat > swarmkit/api/defaults/defaults.go <<'GO'
package defaults

import (
	"github.com/gogo/protobuf/types"
	"github.com/moby/swarmkit/v2/api"
)

var Service = api.ServiceSpec{
	Task: api.TaskSpec{
		Container: &api.ContainerSpec{StopGracePeriod: &types.Duration{Seconds: 10}},
		Restart:   &api.RestartPolicy{Condition: api.RestartOnAny, Delay: &types.Duration{Seconds: 5}},
	},
	Update:   &api.UpdateConfig{Parallelism: 1, Monitor: &types.Duration{Seconds: 5}},
	Rollback: &api.UpdateConfig{Parallelism: 1, Monitor: &types.Duration{Seconds: 5}},
}
GO
  echo 'replace github.com/moby/swarmkit/v2 => ./swarmkit' >> go.mod
}

build() {
  go build -ldflags "-s -w -X github.com/docker/cli/cli/version.Version=$number" -o "$binary" ./cmd/docker 2> log
}
if ! build; then
  grep -q 'moby/swarmkit.*403\|moby/swarmkit.*404' log || cannot "$(tail -1 log)"
  # An older swarmkit has the same defaults; where there is none either they are stood in for.
  go mod edit -replace github.com/moby/swarmkit/v2=github.com/moby/swarmkit/v2@v2.1.2
  if ! build; then
    echo "the module proxy does not hand out swarmkit: its defaults are stood in for" >&2
    go mod edit -dropreplace github.com/moby/swarmkit/v2
    stand_in
    build || cannot "$(tail -1 log)"
  fi
fi
echo "$binary"
