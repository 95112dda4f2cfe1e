package archtest

import (
	"go/ast"
	"strconv"
	"strings"
)

const whyPure = "Decisions are pure: tables and the time come in, changes go out. Only so does a seed replay a whole cluster, and " +
	"a new leader decide what the old one would have. "

// impureImports are what a decision must not even be able to call, and where it gets the same from.
func impureImports() map[string]string {
	return map[string]string{
		"math/rand":    "Randomness comes through env.",
		"math/rand/v2": "Randomness comes through env.",
		"crypto/rand":  "Randomness and ids come through env.",
		"os":           "Files and the environment are read by what wires the decision.",
		"os/exec":      "Programs are run by executors and the network's adapters.",
		"net/http":     "Messages come in and go out as values; node owns the sockets.",
	}
}

// clockFunctions read the clock or wait for it; the rest of package time is arithmetic.
func isClock(name string) bool {
	switch name {
	case "Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker":
		return true
	}
	return false
}

// purity holds decisions to values.
func purity(s *source, p pkg) []finding {
	if !isPure(p.path) {
		return nil
	}
	var found []finding
	for _, f := range p.files {
		timeName := ""
		for _, spec := range f.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				continue // the parser would have refused it
			}
			if path == "time" {
				timeName = "time"
				if spec.Name != nil {
					timeName = spec.Name.Name
				}
			}
			if instead, impure := impureImports()[path]; impure {
				found = append(found, finding{s.at(spec.Pos()), "imports " + path, whyPure + instead})
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				found = append(found, finding{s.at(n.Pos()), "starts a goroutine", whyPure + "Loops and node own the goroutines."})
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && timeName != "" && x.Name == timeName && isClock(n.Sel.Name) {
					found = append(found, finding{s.at(n.Pos()), "calls time." + n.Sel.Name, whyPure + "Time is an argument; a later wake-up is a returned time."})
				}
			}
			return true
		})
	}
	return found
}

const (
	whyDoc = "A package's doc.go says what it does, which tables it reads and writes, its invariants and what callers may not assume: " +
		"readers start there."
	whyName = "Such a name says nothing about what is inside, so everything ends up there: name the package after its one idea."
	whyInit = "Code that runs because a package is linked cannot be ordered, tested or left out: call it from where it is needed."
)

// documentation wants a package comment in doc.go.
func documentation(s *source, p pkg) []finding {
	for _, f := range p.files {
		if strings.HasPrefix(s.at(f.Package), p.path+"/doc.go:") && f.Doc != nil {
			return nil
		}
	}
	if len(p.files) == 0 {
		return nil // generated altogether
	}
	return []finding{{p.path, "has no doc.go with a package comment", whyDoc}}
}

// naming refuses names for heaps of things.
func naming(_ *source, p pkg) []finding {
	var found []finding
	for element := range strings.SplitSeq(p.path, "/") {
		switch element {
		case "util", "utils", "common", "types", "pkg", "helpers", "misc":
			found = append(found, finding{p.path, "is named " + element, whyName})
		}
	}
	return found
}

func noInit(s *source, p pkg) []finding {
	var found []finding
	for _, f := range p.files {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, finding{s.at(fn.Pos()), "declares init", whyInit})
			}
		}
	}
	return found
}
