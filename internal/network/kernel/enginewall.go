package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/nftables"
	"github.com/skep-org/skep/internal/network"
)

// engineFile notes that the engine's firewall was seen on this host since it started.
const engineFile = "engine-firewall"

// engineTable is the table of an engine that writes its rules in nftables (--firewall-backend=nftables, since 29.0), which has no
// chain for its users: what passes its networks it decides for itself, and other packets are no business of its.
const engineTable = "docker-bridges"

// engineWall says whether the engine's firewall is there, of whichever kind.
func (k *Kernel) engineWall(chains map[string][]string) (bool, error) {
	if _, there := chains[userChain]; there {
		return true, nil
	}
	r, err := k.host.openRules()
	if err != nil {
		return false, err
	}
	tables, err := r.conn.ListTablesOfFamily(nftables.TableFamilyIPv4)
	if err != nil {
		return false, fmt.Errorf("looking for the engine's firewall: %w", err)
	}
	return slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == engineTable }), nil
}

// noteEngine keeps in mind that there is an engine's firewall, also for the next daemon.
func (k *Kernel) noteEngine() error {
	path := filepath.Join(k.dir, engineFile)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return fmt.Errorf("noting that the engine has a firewall: %w", err)
	}
	return nil
}

func (k *Kernel) forgetEngine() error {
	if err := os.Remove(filepath.Join(k.dir, engineFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forgetting that the engine has a firewall: %w", err)
	}
	return nil
}

// Findings are what is wrong with this host's network and not skep's to repair. An engine makes its chains when it starts
// and does not look at them again: who flushes the host's rules takes them away until then.
func (k *Kernel) Findings() ([]network.Finding, error) {
	chains, err := k.firewall()
	if err != nil {
		return nil, err
	}
	if there, err := k.engineWall(chains); err != nil {
		return nil, err
	} else if there {
		return nil, k.noteEngine()
	}
	_, err = os.Stat(filepath.Join(k.dir, engineFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // an engine that leaves the firewall alone
	}
	if err != nil {
		return nil, fmt.Errorf("looking whether the engine has a firewall: %w", err)
	}
	return []network.Finding{{
		Area: network.AreaKernel, Object: "the engine's firewall",
		Wrong:  "its chains are gone, as after nft flush ruleset: ports and the way out of containers on the engine's own networks do not work",
		Remedy: "restart the engine on this node (systemctl restart docker), which makes them again; skep's own are back already",
	}}, nil
}
