package compose

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/skep-org/skep/internal/stack/source"
)

// explain is compose-go's error as one sentence. What the schema refuses has a place, and a language of its own for keys
// that nobody knows.
func explain(err error, files *source.Files) error {
	m := refused().FindStringSubmatch(err.Error())
	if m == nil || files == nil {
		return fmt.Errorf("the Compose file cannot be used: %w", err)
	}
	at := files.Locate(strings.Split(m[1], "."))
	if m[2] == "false schema" {
		return fmt.Errorf("the Compose file cannot be used: %s:%d: the Compose Specification has no key %s", at.File, at.Line, m[1])
	}
	return fmt.Errorf("the Compose file cannot be used: %s:%d: %s %s", at.File, at.Line, m[1], m[2])
}

func refused() *regexp.Regexp { return regexp.MustCompile(`(?s)^validating .*?: (\S+) (.*)$`) }

// unreadable is why a file cannot be read, without the file's whole path.
func unreadable(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
