package authority

import (
	"crypto/subtle"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// clockLimit is how far the clocks of a cluster's nodes may be apart: certificates, and the times of tasks that people
// compare, bear no more.
const clockLimit = 5 * time.Minute

// roleOf is the role that a join token grants. As in swarm the token alone decides it. How long the answer takes does
// not tell how much of a wrong secret was right, nor of which token.
func roleOf(v store.View, token string) (model.Role, error) {
	root := store.TheRoot(v)
	worker, manager := store.JoinSecrets(v)
	digest, secret, err := identity.ParseToken(token)
	if err != nil {
		return 0, refuse("invalid join token")
	}
	ofWorkers := subtle.ConstantTimeCompare([]byte(secret), []byte(worker))
	ofManagers := subtle.ConstantTimeCompare([]byte(secret), []byte(manager))
	switch {
	case subtle.ConstantTimeCompare([]byte(digest), []byte(root.Digest)) == 0:
		return 0, refuse("the join token is of another cluster, or from before this cluster's root certificate was replaced: it names another one. " +
			"`docker swarm join-token` on a manager of this cluster shows the right one")
	case ofManagers == 1:
		return model.RoleManager, nil
	case ofWorkers == 1:
		return model.RoleWorker, nil
	}
	return 0, refuse("A valid join token is necessary to join this cluster: this one is wrong, or was replaced by a rotation. " +
		"`docker swarm join-token` on a manager shows the present one")
}

// checkClock refuses a node whose clock is far from this manager's.
func checkClock(theirs, ours time.Time) error {
	if d := theirs.Sub(ours); d > clockLimit || d < -clockLimit {
		return refuse("the clock of the joining node says %s and this manager's says %s: they may be at most %d minutes apart; set the clock that is wrong and join again",
			stamp(theirs), stamp(ours), int(clockLimit.Minutes()))
	}
	return nil
}

func availabilityOf(asked string) (swarm.NodeAvailability, error) {
	switch a := swarm.NodeAvailability(asked); a {
	case "":
		return swarm.NodeAvailabilityActive, nil
	case swarm.NodeAvailabilityActive, swarm.NodeAvailabilityPause, swarm.NodeAvailabilityDrain:
		return a, nil
	}
	return "", refuse("invalid Availability: %q", asked)
}
