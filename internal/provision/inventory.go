package provision

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Inventory is a file of many machines.
type Inventory struct {
	// Defaults are for what a machine leaves out.
	Defaults Machine   `yaml:"defaults"`
	Machines []Machine `yaml:"machines"`
}

// ParseInventory reads a file of machines. What files it names are meant from the directory dir, and ~/ from home.
func ParseInventory(text []byte, dir, home string) ([]Machine, error) {
	var inv Inventory
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&inv); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it is empty")
		}
		return nil, err
	}
	if inv.Defaults.Name != "" || inv.Defaults.Host != "" {
		return nil, errors.New("defaults name a machine or a host, which is each machine's own")
	}
	if len(inv.Machines) == 0 {
		return nil, errors.New("it names no machines")
	}
	var errs []error
	names, hosts := map[string]bool{}, map[string]string{}
	for i := range inv.Machines {
		m := inv.Machines[i].or(inv.Defaults)
		for _, path := range []*string{&m.Identity, &m.KnownHosts, &m.LabDir} {
			*path = absolute(*path, dir, home)
		}
		errs = append(errs, m.Validate())
		if names[m.Name] {
			errs = append(errs, fmt.Errorf("there are two machines %s", m.Name))
		}
		names[m.Name] = true
		at := m.Driver + " " + m.LabDir + " " + m.Jump + " " + m.Host
		if other := hosts[at]; other != "" {
			errs = append(errs, fmt.Errorf("machines %s and %s are the same host %s", other, m.Name, m.Host))
		}
		hosts[at] = m.Name
		inv.Machines[i] = m
	}
	return inv.Machines, errors.Join(errs...)
}

// or fills in what was left out.
func (m Machine) or(d Machine) Machine {
	m.Driver = cmp.Or(m.Driver, d.Driver, SSH)
	m.Role = cmp.Or(m.Role, d.Role, Worker)
	m.AdvertiseAddr = cmp.Or(m.AdvertiseAddr, d.AdvertiseAddr)
	m.Identity = cmp.Or(m.Identity, d.Identity)
	m.KnownHosts = cmp.Or(m.KnownHosts, d.KnownHosts)
	m.Jump = cmp.Or(m.Jump, d.Jump)
	m.LabDir = cmp.Or(m.LabDir, d.LabDir)
	return m
}

func absolute(path, dir, home string) string {
	switch rest, atHome := strings.CutPrefix(path, "~/"); {
	case path == "":
		return ""
	case atHome:
		return filepath.Join(home, rest)
	case filepath.IsAbs(path):
		return path
	}
	return filepath.Join(dir, path)
}
