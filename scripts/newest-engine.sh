#!/bin/bash
# Builds a newer Docker Engine than Debian's from the Go module proxy, as pinned in tools/engine/go.mod, with containerd, its
# shim and runc, into bin/engine, and runs a command with these first on its PATH. "-firewall nftables" before the command has
# every engine use that backend for its own rules instead of iptables.
set -euo pipefail
cd "$(dirname "$0")/.."

firewall=iptables
if [ "${1:-}" = -firewall ]; then
  firewall=$2
  shift 2
fi

# runc is built with the C library's seccomp: without it no container with the engine's own profile starts.
if [ ! -e /usr/include/seccomp.h ] || ! command -v pkg-config >/dev/null; then
  apt-get install --yes --no-install-recommends libseccomp-dev pkg-config >/dev/null ||
    { echo "Please install libseccomp-dev and pkg-config: runc cannot be built without them" >&2; exit 1; }
fi

bin=$PWD/bin/engine
mkdir -p "$bin"
(
  cd tools/engine
  version=$(go list -m -f '{{.Version}}' github.com/moby/moby/v2)
  export CGO_ENABLED=0
  go build -ldflags "-s -w -X github.com/moby/moby/v2/dockerversion.Version=${version#v}" -o "$bin/" \
    github.com/moby/moby/v2/cmd/dockerd github.com/moby/moby/v2/cmd/docker-proxy
  go build -ldflags '-s -w' -o "$bin/" github.com/containerd/containerd/v2/cmd/containerd github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2
  CGO_ENABLED=1 go build -tags seccomp -ldflags '-s -w' -o "$bin/" github.com/opencontainers/runc
)

path=$bin
if [ "$firewall" != iptables ]; then
  path=$bin/$firewall:$bin
  mkdir -p "$bin/$firewall"
  printf '#!/bin/sh\nexec %s/dockerd --firewall-backend=%s "$@"\n' "$bin" "$firewall" > "$bin/$firewall/dockerd"
  chmod +x "$bin/$firewall/dockerd"
fi
export SKEP_LAB_ENGINE_FIREWALL=$firewall
echo "with $("$bin/dockerd" --version), its rules in $firewall" >&2
PATH=$path:$PATH exec "$@"
