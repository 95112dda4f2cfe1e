#!/bin/bash
# Installs with apt-get what building, testing and the demo need and what is missing; says nothing when nothing is.
set -euo pipefail

# A program that shows whether a package is there, and the package.
needs=(
  dockerd:docker.io docker:docker.io containerd:containerd runc:runc
  iptables:iptables nft:nftables ip:iproute2 nsenter:util-linux
  gcc:gcc curl:curl git:git mount:mount
  docker-compose:docker-compose
  sshd:openssh-server sudo:sudo systemctl:systemd
)

missing=()
for need in "${needs[@]}"; do
  # sbin is not on every user's PATH, yet holds some of the programs.
  PATH="$PATH:/usr/sbin:/sbin" command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
done
# gcc without the C library's headers is not enough for the race detector.
[ -e /usr/include/stdlib.h ] || missing+=(libc6-dev)
# A client of the API that tests compare with: a module of Debian's Python.
/usr/bin/python3 -c 'import docker' 2>/dev/null || missing+=(python3-docker)
if [ ${#missing[@]} -gt 0 ]; then
  mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
  if ! command -v apt-get >/dev/null; then
    echo "Please install: ${missing[*]} (there is no apt-get here to do it)" >&2
    exit 1
  fi
  sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "Please install as root: apt-get install ${missing[*]}" >&2
      exit 1
    fi
    sudo=(sudo)
  fi

  echo "Installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  if ! { "${sudo[@]}" apt-get update && "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    # A service that cannot start (no systemd, a container) fails the installation, though the programs are there.
    for need in "${needs[@]}"; do
      if ! PATH="$PATH:/usr/sbin:/sbin" command -v "${need%%:*}" >/dev/null; then
        cat "$log" >&2
        echo "Could not install ${need##*:}" >&2
        exit 1
      fi
    done
  fi
fi

go mod download
