package fleet

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/skep-org/skep/internal/provision"
	"github.com/skep-org/skep/packaging"
)

// Program is a skep to be copied.
type Program struct {
	Path, Sum string
	Size      int64
	Machine   string // the kind of machine it is for, as uname calls it
}

// Programs are one for each kind of machine.
type Programs map[string]Program

// ReadPrograms reads programs from files.
func ReadPrograms(paths []string) (Programs, error) {
	all := Programs{}
	for _, path := range paths {
		p, err := readProgram(path)
		if err != nil {
			return nil, fmt.Errorf("the program %s cannot be used: %w", path, err)
		}
		if other, ok := all[p.Machine]; ok {
			return nil, fmt.Errorf("the programs %s and %s are both for %s", other.Path, path, p.Machine)
		}
		all[p.Machine] = p
	}
	return all, nil
}

func readProgram(path string) (Program, error) {
	p := Program{Path: path}
	f, err := os.Open(path)
	if err != nil {
		return p, err
	}
	defer func() { _ = f.Close() }()
	e, err := elf.NewFile(f)
	if err != nil {
		return p, fmt.Errorf("it is no program for Linux: %w", err)
	}
	machines := map[elf.Machine]string{
		elf.EM_X86_64: "x86_64", elf.EM_AARCH64: "aarch64", elf.EM_ARM: "armv7l", elf.EM_RISCV: "riscv64", elf.EM_PPC64: "ppc64le", elf.EM_S390: "s390x",
	}
	if p.Machine = machines[e.Machine]; p.Machine == "" {
		return p, fmt.Errorf("it is for machines of the kind %s", e.Machine)
	}
	for _, s := range e.Progs {
		if s.Type == elf.PT_INTERP {
			return p, errors.New("it needs libraries that other hosts may not have: build it without cgo (CGO_ENABLED=0, as make build does)")
		}
	}
	sum := sha256.New()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return p, err
	}
	if p.Size, err = io.Copy(sum, f); err != nil {
		return p, err
	}
	p.Sum = hex.EncodeToString(sum.Sum(nil))
	return p, nil
}

// want is what a host is to have. For a kind of machine that there is no program for, one of another kind says so.
func (p Programs) want(machine string) (provision.Want, Program) {
	if strings.HasPrefix(machine, "armv") {
		machine = "armv7l"
	}
	one, ok := p[machine]
	for _, other := range p {
		if !ok {
			one, ok = other, true
		}
	}
	w := provision.Want{Sum: one.Sum, Machine: one.Machine, Unit: map[provision.Init]provision.Text{
		provision.Systemd: text(packaging.Service()), provision.Plain: text(packaging.Plain()),
	}}
	return w, one
}

func text(s string) provision.Text {
	sum := sha256.Sum256([]byte(s))
	return provision.Text{Content: s, Sum: hex.EncodeToString(sum[:])}
}
