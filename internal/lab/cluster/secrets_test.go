package cluster

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	secretData = "the-pass-phrase-nobody-may-read-7f3e9a51"
	configData = "the-setting-only-some-need-4b1d6c08"
)

// secrets: a secret's and a config's data are where a task needs them, in memory, and nowhere else.
func secrets(f *fixture) {
	dir := f.t.TempDir()
	for name, data := range map[string]string{"pass": secretData, "setting": configData} {
		f.must(os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600))
	}
	f.docker("m1", "secret", "create", "pass", filepath.Join(dir, "pass"))
	f.docker("m2", "config", "create", "setting", filepath.Join(dir, "setting"))
	f.create("m2", "keeper", "--secret", "source=pass,target=word,uid=7,gid=8,mode=0400", "--config", "setting", "--constraint", "node.hostname==w1")
	f.create("m3", "stranger", "--mode", "global")
	f.runs(settleLimit, "keeper", 1)
	f.runs(settleLimit, "stranger", 5)
	for _, h := range f.Hosts() {
		inMemory, onDisk := f.holds(h.Name, secretData)
		if h.Name == "w1" && len(inMemory) == 0 {
			f.t.Error("the search finds nothing on the host that runs the task: it looks in the wrong places")
		}
		if len(onDisk) > 0 || h.Name != "w1" && len(inMemory) > 0 {
			f.t.Errorf("%s has the secret in memory at %v, on disk at %v", h.Name, inMemory, onDisk)
		}
		if at, _ := f.holds(h.Name, configData); h.Name != "w1" && len(at) > 0 {
			f.t.Errorf("%s has the config at %v and runs no task that needs it", h.Name, at)
		}
	}
	for _, name := range []string{"m1", "m2", "m3"} {
		if out := f.docker(name, "secret", "inspect", "pass") + f.docker(name, "service", "inspect", "keeper"); strings.Contains(out, secretData) || strings.Contains(out, "Data") {
			f.t.Errorf("%s reveals the secret: %s", name, out)
		}
	}
	f.refused("m1", "in use by", "secret", "rm", "pass")
	f.docker("m1", "service", "rm", "keeper", "stranger")
	f.eventually(settleLimit, func() string {
		if at, _ := f.holds("w1", secretData); len(at) > 0 {
			return "the task is gone and its secret is at " + strings.Join(at, ", ")
		}
		return ""
	})
	f.docker("m3", "secret", "rm", "pass")
	f.docker("m3", "config", "rm", "setting")
}

// holds are the files of a host that contain the data: memory-backed ones, and what is on its disk, its logs among them.
// The data is sought as it is and as JSON carries it.
func (f *fixture) holds(host, data string) (inMemory, onDisk []string) {
	f.t.Helper()
	out, err := f.Host(host).Exec(f.t.Context(), "sh", "-c",
		`awk '$3 == "tmpfs" {print $2}' /proc/mounts | sort -u | while read d; do grep -rlsaF -e "$0" "$d"; done | sort -u; exit 0`, data)
	f.must(err)
	if out != "" {
		inMemory = strings.Split(out, "\n")
	}
	for _, words := range [][]byte{[]byte(data), encoded(data)} {
		onDisk = append(onDisk, containing(f, filepath.Join(f.Dir(), host), words)...)
	}
	return inMemory, onDisk
}

// containing looks through a host's directory; the engine's layers and the way into the running host are left out.
func containing(f *fixture, dir string, data []byte) (found []string) {
	f.t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // it went away meanwhile
		case e.IsDir() && slices.Contains([]string{"overlay2", "vfs", "image"}, e.Name()):
			return fs.SkipDir
		case !e.Type().IsRegular():
			return nil
		}
		if content, err := os.ReadFile(path); err == nil && bytes.Contains(content, data) {
			found = append(found, path)
		}
		return nil
	})
	f.must(err)
	return found
}

// encoded is base64 from a place where the data begins a group of three, without the end that depends on what follows.
func encoded(data string) []byte {
	return []byte(base64.StdEncoding.EncodeToString([]byte(data[:len(data)/3*3])))
}
