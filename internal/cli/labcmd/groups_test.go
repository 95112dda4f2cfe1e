package labcmd

import (
	"fmt"
	"testing"
)

func TestParseGroups(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"m1,m2", "m3,w1"}, "[[m1 m2] [m3 w1]]"},
		{[]string{"m1,m2 | m3, w1"}, "[[m1 m2] [m3 w1]]"},
		{[]string{"m1", "|", "m2", "|"}, "[[m1] [m2]]"},
		{[]string{"m1"}, "[[m1]]"},
		{[]string{" , "}, "[]"},
	} {
		if got := fmt.Sprint(parseGroups(c.args)); got != c.want {
			t.Errorf("%q are the groups %s, want %s", c.args, got, c.want)
		}
	}
}
