package kernel

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
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
