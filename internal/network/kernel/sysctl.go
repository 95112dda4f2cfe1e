package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// quiet sets up a network's own namespace: it forwards nothing, its bridge is not the firewall's business, there is no
// IPv6 that would speak on its own, and nobody is refused.
func (s *space) quiet() error {
	if err := s.keepSilent(); err != nil {
		return err
	}
	return s.setSysctls([][2]string{
		{"net/ipv4/ip_forward", "0"},
		{"net/ipv6/conf/all/disable_ipv6", "1"},
		{"net/ipv6/conf/default/disable_ipv6", "1"},
		{"net/bridge/bridge-nf-call-iptables", "0"},
		{"net/bridge/bridge-nf-call-ip6tables", "0"},
		{"net/bridge/bridge-nf-call-arptables", "0"},
	})
}

// setSysctls writes settings of a namespace that are not as given. One that this kernel does not have needs no setting.
func (s *space) setSysctls(list [][2]string) error {
	return s.do(func() error {
		for _, kv := range list {
			file := filepath.Join("/proc/sys", kv[0])
			is, err := os.ReadFile(file)
			if errors.Is(err, os.ErrNotExist) || err == nil && strings.TrimSpace(string(is)) == kv[1] {
				continue
			}
			if err := os.WriteFile(file, []byte(kv[1]), 0o644); err != nil {
				return fmt.Errorf("setting the kernel's %s to %s: %w", kv[0], kv[1], err)
			}
		}
		return nil
	})
}

// sysctls reads settings of a namespace; one that this kernel does not have is empty.
func (s *space) sysctls(names []string) (map[string]string, error) {
	all := map[string]string{}
	err := s.do(func() error {
		for _, name := range names {
			is, err := os.ReadFile(filepath.Join("/proc/sys", name))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("reading the kernel's %s: %w", name, err)
			}
			all[name] = strings.TrimSpace(string(is))
		}
		return nil
	})
	return all, err
}
