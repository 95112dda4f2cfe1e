package compat

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/skep-org/skep/internal/lab/differential/side"
)

// State is what became of a command or flag.
type State string

const (
	Works    State = "works"
	Refused  State = "501"
	Differs  State = "differs"
	Untested State = "untested"
)

// Outcome is a check's state and, unless it works, what happened.
type Outcome struct {
	State State
	Note  string
}

// prelude are the words checks are written in. The loops are bounded by the
// check's time limit.
const prelude = `set -e
running() { until [ "$(docker service ls --filter name=$1 --format '{{.Replicas}}' | cut -d/ -f1)" = "$2" ]; do sleep 0.05; done; }
container() { while :; do c=$(docker ps -q --no-trunc --filter label=com.docker.swarm.service.name=$1 | head -1); if [ -n "$c" ]; then echo $c; return; fi; sleep 0.05; done; }
state() { until [ "$(docker service inspect $1 --format '{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}')" = "$2" ]; do sleep 0.05; done; }
service() { name=$1; shift; docker service create -d -q --no-resolve-image --name $name "$@" skep/test:1; }
second() { DOCKER_HOST=$SECOND docker "$@"; }
cluster() { docker swarm init --advertise-addr ` + side.WiredAddr + `; worker="--token $(docker swarm join-token -q worker) ` + side.WiredAddr + `:2377"; }
joined() { until [ "$(docker node ls --filter id=$(second info --format '{{.Swarm.NodeID}}') --format '{{.Status}}')" = Ready ]; do sleep 0.05; done; docker node inspect $(second info --format '{{.Swarm.NodeID}}') --format "$1"; }
exec 3>&1 >&2
`

const checkLimit = 30 * time.Second

// runner tries checks on one side.
type runner struct {
	side   *side.Side
	rec    *recorder
	second func() (*side.Side, error) // the host that joins, begun when a check first needs it
}

// newRunner puts the recorder in the way of the side's CLI.
func newRunner(s *side.Side, second func() (*side.Side, error)) (*runner, error) {
	socket := filepath.Join(s.Dir, "rec.sock")
	rec, err := record(socket, strings.TrimPrefix(s.Host, "unix://"))
	if err != nil {
		return nil, err
	}
	s.Host = "unix://" + socket
	return &runner{side: s, rec: rec, second: second}, nil
}

// run tries one check and takes away what it made.
func (r *runner) run(ctx context.Context, number int, c Check) (Outcome, error) {
	if err := swarm(ctx, r.side, !c.NoSwarm); err != nil {
		return Outcome{}, fmt.Errorf("%s: preparing: %w", c.pos, err)
	}
	env := []string{fmt.Sprintf("NAME=s%d", number)}
	if c.Second {
		second, err := r.second()
		if err != nil {
			return Outcome{}, fmt.Errorf("%s: beginning the second host: %w", c.pos, err)
		}
		if err := swarm(ctx, second, false); err != nil {
			return Outcome{}, fmt.Errorf("%s: preparing the second host: %w", c.pos, err)
		}
		env = append(env, "SECOND="+second.Host)
	}
	r.rec.take()
	limited, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	out, err := r.side.Shell(limited, prelude+c.Setup+"\nexec >&3\n"+c.Verify, env)
	if ctx.Err() != nil {
		return Outcome{}, ctx.Err()
	}
	o := Outcome{State: Works}
	holds, bad := c.Holds(out.Stdout)
	switch refused := r.rec.take(); {
	case bad != nil:
		return Outcome{}, bad
	case len(refused) > 0:
		o = Outcome{State: Refused, Note: refused[0]}
	case err != nil:
		o = Outcome{State: Differs, Note: fmt.Sprintf("not done after %s", checkLimit)}
	case out.Exit != 0:
		o = Outcome{State: Differs, Note: lastLine(out.Stderr)}
	case !holds:
		o = Outcome{State: Differs, Note: fmt.Sprintf("shows %q where Docker shows %q", strings.TrimSpace(out.Stdout), c.Want)}
	}
	return o, r.clean(ctx)
}

// lastLine is what a command said at last, without the CLI's preface.
func lastLine(stderr string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	return strings.TrimPrefix(lines[len(lines)-1], "Error response from daemon: ")
}

// swarm switches a host's swarm mode on or off.
func swarm(ctx context.Context, s *side.Side, on bool) error {
	a, err := s.Call(ctx, http.MethodGet, "/info", nil)
	if err != nil {
		return err
	}
	var info struct {
		Swarm struct{ LocalNodeState string }
	}
	if err := json.Unmarshal(a.Body, &info); err != nil {
		return fmt.Errorf("reading /info: %w", err)
	}
	active := info.Swarm.LocalNodeState != "inactive"
	switch {
	case on && !active:
		a, err = s.Call(ctx, http.MethodPost, "/swarm/init", []byte(`{"ListenAddr":"0.0.0.0:2377","AdvertiseAddr":"127.0.0.1"}`))
	case !on && active:
		a, err = s.Call(ctx, http.MethodPost, "/swarm/leave?force=1", nil)
	}
	if err != nil {
		return err
	}
	if a.Status != http.StatusOK {
		return fmt.Errorf("answer %d: %s", a.Status, a.Body)
	}
	return nil
}

// clean removes all cluster objects but the predefined networks. What is still
// in use (a network whose tasks are ending) goes with the next check.
func (r *runner) clean(ctx context.Context) error {
	for _, kind := range []string{"services", "secrets", "configs", "networks"} {
		a, err := r.side.Call(ctx, http.MethodGet, "/"+kind, nil)
		if err != nil {
			return err
		}
		if a.Status != http.StatusOK {
			continue // no swarm, hence nothing to remove
		}
		var list []struct {
			ID      string
			Name    string
			Ingress bool
		}
		if err := json.Unmarshal(a.Body, &list); err != nil {
			return fmt.Errorf("reading the list of %s: %w", kind, err)
		}
		for _, o := range list {
			if kind == "networks" && (o.Ingress || predefined(o.Name)) {
				continue
			}
			if _, err := r.side.Call(ctx, http.MethodDelete, "/"+kind+"/"+o.ID, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func predefined(network string) bool {
	switch network {
	case "bridge", "host", "none", "docker_gwbridge", "ingress":
		return true
	}
	return false
}
