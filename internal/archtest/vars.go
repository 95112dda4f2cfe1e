package archtest

import (
	"errors"
	"go/ast"
	"go/token"
	"go/types"
)

const whyVar = "State belongs to a value somebody made and owns: a package's variable is shared by every test, every simulated node and " +
	"every leader term of the process. Tables that never change after their declaration are fine."

// noMutableVariables finds package variables that are changed after their declaration, or could be: assigned, part of
// them assigned, their address taken, or of a type that exists to be changed.
func noMutableVariables(s *source, p pkg) []finding {
	info := resolve(s, p)
	var found []finding
	report := func(n ast.Node, what string) {
		found = append(found, finding{s.at(n.Pos()), what, whyVar})
	}
	for _, f := range p.files {
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
				for _, spec := range g.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok && changeable(v) {
						report(v, "declares "+v.Names[0].Name+", whose type exists to be changed")
					}
				}
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			for _, target := range changed(n) {
				if v := packageVariable(info, target); v != "" {
					report(n, "changes the package variable "+v)
				}
			}
			return true
		})
	}
	return found
}

// changed are the expressions a node assigns to or takes the address of.
func changed(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			return []ast.Expr{n.Key, n.Value}
		}
	case *ast.UnaryExpr:
		if _, literal := n.X.(*ast.CompositeLit); n.Op == token.AND && !literal {
			return []ast.Expr{n.X}
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "delete" || f.Name == "clear") && len(n.Args) > 0 {
			return n.Args[:1]
		}
	}
	return nil
}

// packageVariable is the name of the package variable an expression is, or is a part of; empty when it is none.
func packageVariable(info *types.Info, e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.SelectorExpr:
			// pkg.Name is another package's variable; x.field a part of x.
			if q, ok := x.X.(*ast.Ident); ok {
				if _, imported := info.Uses[q].(*types.PkgName); imported {
					return q.Name + "." + x.Sel.Name
				}
			}
			e = x.X
		case *ast.Ident:
			v, ok := info.Uses[x].(*types.Var)
			if ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope() {
				return x.Name
			}
			return ""
		default:
			return ""
		}
	}
}

// changeable tells declarations of locks, atomics, pools, buffers and channels.
func changeable(v *ast.ValueSpec) bool {
	typ := v.Type
	if typ == nil && len(v.Values) == 1 {
		switch x := v.Values[0].(type) {
		case *ast.CompositeLit:
			typ = x.Type
		case *ast.UnaryExpr:
			if lit, ok := x.X.(*ast.CompositeLit); ok {
				typ = lit.Type
			}
		case *ast.CallExpr:
			if f, ok := x.Fun.(*ast.Ident); ok && (f.Name == "make" || f.Name == "new") && len(x.Args) > 0 {
				typ = x.Args[0]
			}
		}
	}
	switch t := typ.(type) {
	case *ast.ChanType:
		return true
	case *ast.IndexExpr: // atomic.Pointer[T]
		return existsToChange(t.X)
	default:
		return existsToChange(typ)
	}
}

func existsToChange(typ ast.Expr) bool {
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	sel, ok := typ.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	q, ok := sel.X.(*ast.Ident)
	if !ok {
		return false
	}
	switch q.Name + "." + sel.Sel.Name {
	case "bytes.Buffer", "strings.Builder", "rand.Rand":
		return true
	}
	return q.Name == "sync" || q.Name == "atomic"
}

// resolve finds out which identifier means what. Imported packages are not loaded: what a selector on one of them is
// need not be known here, and everything declared in the package itself resolves without.
func resolve(s *source, p pkg) *types.Info {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: noImports{}, Error: func(error) {}, FakeImportC: true}
	_, _ = conf.Check(p.path, s.fset, p.files, info) // the errors are about what was not imported
	return info
}

type noImports struct{}

func (noImports) Import(string) (*types.Package, error) { return nil, errors.New("not loaded") }
