package backupcmd

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// passphrase reads one from the first line of a file, or of standard input if that is named "-".
func passphrase(file string, stdin io.Reader) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	in := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read the passphrase: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, 1<<16))
	if err != nil {
		return nil, fmt.Errorf("read the passphrase: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return nil, fmt.Errorf("the first line of %s is empty: it is to hold the passphrase", file)
	}
	return []byte(line), nil
}
