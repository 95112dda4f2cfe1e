package docker

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"
)

// oldestAPI is that of Docker Engine 20.10.
const oldestAPI = "1.41"

// facts are what creating a container needs to know of the engine.
type facts struct {
	api      string
	platform swarm.Platform
	selinux  bool
	uid, gid int // of the containers' root on the node: not 0 with user namespaces
}

// engine returns the facts, asking the engine when they are not known.
func (e *Executor) engine(ctx context.Context) (*facts, error) {
	e.factsMu.Lock()
	defer e.factsMu.Unlock()
	if e.facts != nil {
		return e.facts, nil
	}
	info, err := e.info(ctx)
	if err != nil {
		return nil, err
	}
	f := &facts{api: e.api.ClientVersion(), platform: swarm.Platform{Architecture: info.Architecture, OS: info.OSType}}
	for _, option := range info.SecurityOptions {
		f.selinux = f.selinux || option == "selinux" || strings.HasPrefix(option, "name=selinux")
		if strings.HasPrefix(option, "name=userns") {
			// The engine keeps its data in a directory named after the ids that containers' root is mapped to.
			_, err := fmt.Sscanf(path.Base(info.DockerRootDir), "%d.%d", &f.uid, &f.gid)
			if err != nil {
				return nil, fmt.Errorf("engine with user namespaces: the ids of its root cannot be read from its directory %q", info.DockerRootDir)
			}
		}
	}
	e.facts = f
	return f, nil
}

func (e *Executor) forgetFacts() {
	e.factsMu.Lock()
	defer e.factsMu.Unlock()
	e.facts = nil
}

func (e *Executor) info(ctx context.Context) (system.Info, error) {
	answer, err := e.api.Info(ctx, client.InfoOptions{})
	if err != nil {
		return system.Info{}, failed("asking the engine at "+e.host+" about itself", called(err))
	}
	return answer.Info, nil
}

// CheckEngine refuses an engine that cannot serve: one in swarm mode itself, or too old.
func (e *Executor) CheckEngine(ctx context.Context) error {
	info, err := e.info(ctx)
	if err != nil {
		return err
	}
	if api := e.api.ClientVersion(); versions.LessThan(api, oldestAPI) {
		return fmt.Errorf("the Docker Engine at %s is version %s (API %s): skep needs 20.10 (API %s) or later", e.host, info.ServerVersion, api, oldestAPI)
	}
	if s := info.Swarm.LocalNodeState; s != swarm.LocalNodeStateInactive && s != "" {
		return errors.New("the Docker Engine at " + e.host + " is in swarm mode itself (" + string(s) + "): leave it with `docker -H " +
			e.host + " swarm leave --force`, then start skep again")
	}
	return nil
}
