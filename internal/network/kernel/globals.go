package kernel

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// savedFile holds the host's own settings as they were before skep changed them.
const savedFile = "sysctls.json"

// forwarding is never put back: an engine that found it turned on relies on it, and all its containers would be cut off.
const forwarding = "net/ipv4/ip_forward"

// setGlobal changes a setting of the host and keeps what it was, for [Kernel.Purge].
func (k *Kernel) setGlobal(name, value string) error {
	saved, err := k.savedGlobals()
	if err != nil {
		return err
	}
	if _, ok := saved[name]; !ok {
		is, err := k.host.sysctls([]string{name})
		if err != nil {
			return err
		}
		if name == forwarding && is[name] == "0" && !k.forwards {
			if err := k.closeForwarding(); err != nil {
				return err
			}
		}
		saved[name] = is[name]
		text, err := json.Marshal(saved)
		if err != nil {
			return fmt.Errorf("keeping the host's settings: %w", err)
		}
		if err := os.WriteFile(filepath.Join(k.dir, savedFile), text, 0o600); err != nil {
			return fmt.Errorf("keeping the host's settings: %w", err)
		}
	}
	return k.host.setSysctls([][2]string{{name, value}})
}

// closeForwarding has the host's firewall forward nothing of its own accord. An engine does so when it is itself who turns
// forwarding on; one that finds it turned on leaves its containers open to whoever is beside the host.
func (k *Kernel) closeForwarding() error {
	_, err := k.iptablesRun("-P", forwardChain, "DROP")
	if errors.Is(err, exec.ErrNotFound) {
		return nil // no firewall of this kind is here, and no engine that relies on it
	}
	if err != nil {
		return fmt.Errorf("closing the host's firewall before it forwards: %w", err)
	}
	return nil
}

func (k *Kernel) savedGlobals() (map[string]string, error) {
	saved := map[string]string{}
	text, err := os.ReadFile(filepath.Join(k.dir, savedFile))
	if errors.Is(err, os.ErrNotExist) {
		return saved, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &saved)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the host's settings as they were: %w", err)
	}
	return saved, nil
}

// restoreGlobals puts the host's settings back.
func (k *Kernel) restoreGlobals() error {
	saved, err := k.savedGlobals()
	if err != nil {
		return err
	}
	var list [][2]string
	for name, value := range saved {
		if name == forwarding {
			continue
		}
		list = append(list, [2]string{name, value})
	}
	if err := k.host.setSysctls(list); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(k.dir, savedFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forgetting the host's settings: %w", err)
	}
	return nil
}
