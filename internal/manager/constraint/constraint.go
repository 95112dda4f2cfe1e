package constraint

import (
	"fmt"
	"strings"
)

// Constraint is one parsed expression. Its zero value matches no node.
type Constraint struct {
	key   string // as written
	value string
	not   bool
}

// String is the constraint in the form Docker's documentation writes it.
func (c Constraint) String() string {
	if c.not {
		return c.key + "!=" + c.value
	}
	return c.key + "==" + c.value
}

// Known reports whether the key is one that nodes have: another one matches no node, ever.
func (c Constraint) Known() bool { return attributeOf(c.key) != nil }

// Parse reads expressions of the form "key == value" or "key != value". Its errors are in Docker's words.
func Parse(exprs []string) ([]Constraint, error) {
	out := make([]Constraint, 0, len(exprs))
	for _, e := range exprs {
		c, err := parseOne(e)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func parseOne(expr string) (Constraint, error) {
	var c Constraint
	key, value, ok := strings.Cut(expr, "==")
	if !ok {
		if key, value, ok = strings.Cut(expr, "!="); !ok {
			return c, fmt.Errorf("constraint expected one operator from ==, !=")
		}
		c.not = true
	}
	c.key, c.value = strings.TrimSpace(key), strings.TrimSpace(value)
	if !validKey(c.key) {
		return c, fmt.Errorf("key '%s' is invalid", c.key)
	}
	if !validValue(c.value) {
		return c, fmt.Errorf("value '%s' is invalid", c.value)
	}
	return c, nil
}

// validKey: a letter or underscore, then at least one of letters, digits, '-', '_' and '.'.
func validKey(s string) bool {
	if len(s) < 2 || !letter(s[0]) && s[0] != '_' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if !letter(s[i]) && !digit(s[i]) && !strings.ContainsRune("-_.", rune(s[i])) {
			return false
		}
	}
	return true
}

// validValue leaves out what is an operator now or might become one.
func validValue(s string) bool {
	for i := range len(s) {
		if !letter(s[i]) && !digit(s[i]) && !strings.ContainsRune(":-_ \t\n\f\r.*()?+[]\\^$|/", rune(s[i])) {
			return false
		}
	}
	return s != ""
}

func letter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }
func digit(b byte) bool  { return '0' <= b && b <= '9' }
