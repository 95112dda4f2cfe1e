#!/bin/bash
# The demo: a cluster of five hosts on this machine (skep lab), driven by the stock docker command. Run it with make demo
# and make demo-down, which build the programs it needs. Everything it keeps is below .demo; running it twice is fine.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/sbin:/sbin"

hello=hello shop=shop

# Hosts have namespaces, mounts and engines of their own: that needs root.
if [ "$(id -u)" -ne 0 ]; then
  exec sudo --preserve-env=PATH "$PWD/scripts/demo.sh" "$@"
fi
# What the caller's shell says about Docker is about another engine, and no proxy leads to the hosts.
unset DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_API_VERSION http_proxy HTTP_PROXY all_proxy ALL_PROXY
unset HELLO_PORT SHOP_PORT # pages are asked for at the ports that the stacks have by themselves

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

# try prints a command that a user may give, and what it is for.
try() { if [ $# -gt 1 ]; then printf '  %-56s # %s\n' "$@"; else printf '  %s\n' "$1"; fi; }

lab() { bin/skep lab --dir .demo "$@"; }
# socket HOST prints where docker reaches the host's skep.
socket() { lab status | awk -v host="$1" '$1 == host {print $NF}'; }

# A socket's path may have 107 bytes, and a host's /run is not the machine's: from such directories the lab moves to /tmp.
place() {
  if [ -e .demo ] || [ -L .demo ]; then return; fi
  case $PWD in
  /run/* | /var/run/*) ln -s "$(mktemp -d /tmp/skep-demo.XXXXXX)" .demo ;;
  *) if [ ${#PWD} -gt 60 ]; then ln -s "$(mktemp -d /tmp/skep-demo.XXXXXX)" .demo; fi ;;
  esac
}

# cluster_answers: a manager that answers for the cluster, not merely for itself.
cluster_answers() { lab exec m1 -- docker node ls >/dev/null 2>&1; }

# hosts_that_are STATE prints the names of the hosts in that state.
hosts_that_are() { lab status | awk -v state="$1" 'NR > 1 && $4 == state && $1 != "client" {print $1}'; }

# repair brings an earlier demo's hosts back; what an interrupted one left cannot be brought back.
repair() {
  lab status >/dev/null 2>&1 || return 1
  lab heal
  hosts_that_are paused | xargs --no-run-if-empty bin/skep lab --dir .demo resume
  hosts_that_are off | xargs --no-run-if-empty bin/skep lab --dir .demo start
  wait_for 20 cluster_answers
}

# converged STACK: every service of the stack runs as many tasks as it wants.
converged() {
  local replicas
  replicas=$(docker stack services "$1" --format '{{.Replicas}}') || return 1
  [ -n "$replicas" ] && awk -F '[/ ]' '$1 != $2 {behind = 1} END {exit behind}' <<<"$replicas"
}
page() { lab client -- curl --silent --fail --max-time 2 "$1" >/dev/null; }

# deploy STACK: from its file, and until it runs. Newer docker commands say on every deployment that a default is going to change.
deploy() {
  show docker stack deploy --resolve-image never --compose-file "examples/$1/stack.yml" "$1" 2> >(grep -v -e --detach >&2)
  wait_for 60 converged "$1" || { docker stack ps --no-trunc "$1" >&2; fail "the stack $1 does not run; the last column above says why"; }
}

up() {
  local leader other host
  say "Five hosts, each with its own network, Docker Engine and skep"
  if repair 2>/dev/null; then
    echo "They are here already."
  else
    lab down >/dev/null 2>&1 || true
    place
    show bin/skep lab --dir .demo up --managers 3 --workers 2 2>&1 | grep -v '^export'
  fi
  DOCKER_HOST=$(socket m1)
  export DOCKER_HOST
  show docker node ls

  say "A stack: a web server on every node, and four clients that call it by name"
  deploy $hello
  show docker service ls
  show docker service ps --filter desired-state=running ${hello}_web ${hello}_caller

  say "The page, as a machine outside the cluster gets it from a worker"
  # The task runs before its server listens.
  wait_for 10 page http://w1:8080/ || fail "nothing answers at http://w1:8080/"
  show bin/skep lab --dir .demo client -- curl --silent http://w1:8080/

  say "A stack of three services on two networks that span the nodes: a published front, an api, and a store that only the api reaches"
  deploy $shop
  show docker stack services $shop
  echo
  echo "Each node answers on the published port, whether or not a front runs there; a line for each service that had a part:"
  for host in m1 m2 m3 w1 w2; do
    wait_for 10 page "http://$host:8090/" || fail "nothing answers at http://$host:8090/"
    show bin/skep lab --dir .demo client -- curl --silent "http://$host:8090/"
  done

  leader=$(docker node ls --format '{{.Hostname}} {{.ManagerStatus}}' | awk '$2 == "Leader" {print $1}')
  for other in m1 m2 m3; do [ "$other" = "$leader" ] || break; done
  say "Try next, after pasting the last line"
  try "docker service scale ${hello}_caller=10" "more tasks, spread over the nodes"
  try "docker service update --env-add COLOUR=blue ${hello}_web" "one node after the other"
  try "docker service update --force ${shop}_api" "no request to port 8090 is lost"
  try "docker service logs --follow --tail 1 ${hello}_caller"
  try "bin/skep lab --dir .demo kill $leader" "power loss of the leader ..."
  try "docker node ls" "... seen from $other, where the last line points docker to"
  try "docker service ps ${hello}_caller" "its tasks run on other nodes"
  try "bin/skep lab --dir .demo start $leader" "it comes back with the data it had"
  try "bin/skep lab --help" "what else can be broken"
  try "make demo-down"
  echo
  if [ -n "${SUDO_USER:-}" ]; then printf 'The sockets are root'\''s: start a root shell with sudo -s first.\n\n'; fi
  echo "export DOCKER_HOST=$(socket "$other")"
}

down() {
  lab down >/dev/null
  rm -f .demo # where it was in /tmp, a link is left
  echo "The demo is gone."
}

case ${1:-} in
up) up ;;
down)
  [ -e .demo ] || [ -L .demo ] || { echo "There is no demo."; exit 0; }
  down
  ;;
*) fail "say up or down" ;;
esac
