#!/bin/bash
# The demo: a one-node cluster beside a Docker Engine, driven by the stock docker command. Run it with make demo and
# make demo-down, which build the programs it needs. Everything it keeps is below .demo; running it twice is fine.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/sbin:/sbin"

image=skep/whoami:1
stack=hello

# The daemon makes containers and the engine mounts: both need root.
if [ "$(id -u)" -ne 0 ]; then
  exec sudo --preserve-env=PATH "$PWD/scripts/demo.sh" "$@"
fi
# What the caller's shell says about Docker is about another engine.
unset DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_API_VERSION

bold='' plain=''
if [ -t 1 ]; then bold=$'\033[1m' plain=$'\033[0m'; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
fail() { printf 'make demo: %s\n' "$*" >&2; exit 1; }
# show prints a command as a user would type it, and runs it.
show() { printf '\n$ %s\n' "$*"; "$@"; }
# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
  local end=$((SECONDS + $1)); shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.2
  done
}
port_free() { [ -z "$(ss -Hltn "sport = :$1")" ]; }
first_free_port() { local p=$1; until port_free "$p"; do p=$((p + 1)); done; echo "$p"; }

# A socket's path may have 107 bytes, and the engine's are long: from a deep directory the state moves to /tmp.
state_dir() {
  if [ ! -e .demo ]; then
    if [ ${#PWD} -gt 50 ]; then ln -s "$(mktemp -d /tmp/skep-demo.XXXXXX)" .demo; else mkdir .demo; fi
  fi
  readlink -f .demo
}

# daemon_pid is the running daemon's process number: the one in the file, if it still is our program.
daemon_pid() {
  local pid
  pid=$(cat "$dir/skep.pid" 2>/dev/null) || return 1
  grep -qzxF "$dir/data" "/proc/$pid/cmdline" 2>/dev/null || return 1
  echo "$pid"
}

engine_answers() { docker -H "$1" version >/dev/null 2>&1; }
in_swarm_mode() { [ "$(docker -H "$1" info --format '{{.Swarm.LocalNodeState}}' 2>/dev/null)" != inactive ]; }

# choose_engine prints, and keeps, the engine's address: the machine's own if it runs and is no swarm's, else a private one.
choose_engine() {
  local system=unix:///var/run/docker.sock
  if [ -e "$dir/engine.addr" ] && engine_answers "$(cat "$dir/engine.addr")"; then
    cat "$dir/engine.addr"
  elif engine_answers $system && ! in_swarm_mode $system; then
    echo "Using the Docker Engine of this machine." >&2
    echo $system | tee "$dir/engine.addr"
  else
    echo "No Docker Engine outside swarm mode runs here: starting a private one in .demo/engine." >&2
    bin/labengine start "$dir/engine" | tee "$dir/engine.addr"
  fi
}

start_daemon() {
  local port
  daemon_pid >/dev/null && return
  port=$(first_free_port 2377)
  setsid bin/skep daemon --data-dir "$dir/data" --host "unix://$dir/skep.sock" --engine "$(cat "$dir/engine.addr")" \
    --listen-addr "127.0.0.1:$port" --advertise-addr "127.0.0.1:$port" </dev/null >>"$dir/skep.log" 2>&1 &
  echo $! >"$dir/skep.pid"
}
daemon_ready() {
  docker version >/dev/null 2>&1 && return
  daemon_pid >/dev/null || { tail -n 5 "$dir/skep.log" >&2; fail "the daemon ended; its log is .demo/skep.log"; }
  return 1
}

# converged: every service of the stack runs as many tasks as it wants.
converged() {
  local replicas
  replicas=$(docker stack services "$stack" --format '{{.Replicas}}') || return 1
  [ -n "$replicas" ] && awk -F '[/ ]' '$1 != $2 {behind = 1} END {exit behind}' <<<"$replicas"
}

up() {
  say "A Docker Engine"
  choose_engine >/dev/null

  say "The skep daemon beside it"
  export DOCKER_HOST=unix://$dir/skep.sock
  start_daemon
  wait_for 30 daemon_ready || { tail -n 5 "$dir/skep.log" >&2; fail "the daemon does not answer; its log is .demo/skep.log"; }
  if [ "$(docker info --format '{{.Swarm.LocalNodeState}}')" != active ]; then
    show docker swarm init --advertise-addr 127.0.0.1
  fi
  docker info --format '{{.Swarm.NodeID}}' >"$dir/node.id"
  show docker node ls

  say "An image made from scratch, and a stack that runs it"
  # The old builder is in every docker command; newer ones want a plugin for the new one.
  tar --create --directory examples/whoami Dockerfile --directory "$PWD/bin" whoami |
    DOCKER_BUILDKIT=0 docker build --quiet --tag $image - >"$dir/build.log" 2>&1 || { cat "$dir/build.log" >&2; fail "building $image"; }
  [ -e "$dir/port" ] || first_free_port 8080 >"$dir/port"
  HELLO_PORT=$(cat "$dir/port")
  export HELLO_PORT
  show docker stack deploy --compose-file examples/hello/stack.yml $stack
  wait_for 60 converged || { docker stack ps --no-trunc $stack >&2; fail "the stack does not run; the last column above says why"; }
  show docker service ls
  show docker service ps ${stack}_web ${stack}_caller

  say "The page"
  # The task runs before its server listens.
  wait_for 10 curl --noproxy '*' --silent --fail --output /dev/null --max-time 2 "http://127.0.0.1:$HELLO_PORT/" || fail "nothing answers at http://127.0.0.1:$HELLO_PORT/"
  show curl --noproxy '*' --silent "http://127.0.0.1:$HELLO_PORT/"

  say "Try next, after pasting the last line:"
  cat <<END
  docker service logs --follow ${stack}_caller
  docker service scale ${stack}_caller=5
  docker service update --env-add COLOUR=blue ${stack}_web
  docker service ps ${stack}_web
  docker run --rm $image -h
  make demo-down

export DOCKER_HOST=$DOCKER_HOST
END
}

# Containers of this cluster, asked from the engine itself.
containers() {
  [ -s "$dir/node.id" ] && docker -H "$engine" ps --all --quiet --filter "label=com.docker.swarm.node.id=$(cat "$dir/node.id")"
}
no_containers() { [ -z "$(containers)" ]; }

down() {
  local engine pid
  engine=$(cat "$dir/engine.addr" 2>/dev/null || true)
  export DOCKER_HOST=unix://$dir/skep.sock
  if pid=$(daemon_pid); then
    # Stopping the daemon leaves containers running; what is to go has to be told to go first.
    docker service ls --quiet 2>/dev/null | xargs --no-run-if-empty docker service rm >/dev/null || true
    if [ -n "$engine" ]; then wait_for 30 no_containers || true; fi
    docker stack rm $stack >/dev/null 2>&1 || true
    docker swarm leave --force >/dev/null 2>&1 || true
    kill "$pid"
    wait_for 20 eval '! kill -0 $pid 2>/dev/null' || kill -KILL "$pid"
  fi
  if [ -e "$dir/engine" ]; then
    bin/labengine stop "$dir/engine"
  elif [ -n "$engine" ] && engine_answers "$engine"; then
    containers | xargs --no-run-if-empty docker -H "$engine" rm --force >/dev/null
    docker -H "$engine" rmi --force $image >/dev/null 2>&1 || true
  fi
  rm -rf "$dir" .demo
  echo "The demo is gone."
}

case ${1:-} in
up)
  dir=$(state_dir)
  up
  ;;
down)
  [ -e .demo ] || [ -L .demo ] || { echo "There is no demo."; exit 0; }
  dir=$(readlink -f .demo)
  down
  ;;
*) fail "say up or down" ;;
esac
