package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

const (
	configFlag        = "config"
	defaultConfigFile = "/etc/skep/skep.yaml"
	envPrefix         = "SKEP_"
)

// loadSettings gives every flag the command line left alone the value of its environment variable or, failing that, of
// its key in the configuration file. Variables that look like settings and are none are only warned about: the
// environment is not skep's alone.
func loadSettings(flags *pflag.FlagSet, file string, warnings io.Writer) error {
	fromFile, err := readConfigFile(flags, file)
	if err != nil {
		return err
	}
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || !settable(f) {
			return
		}
		if value, ok := os.LookupEnv(envName(f.Name)); ok {
			errs = append(errs, set(flags, f.Name, "environment variable "+envName(f.Name), value))
		} else if values, ok := fromFile[f.Name]; ok {
			errs = append(errs, set(flags, f.Name, "configuration file", values...))
		}
	})
	for _, name := range unknownEnv(flags) {
		_, _ = fmt.Fprintf(warnings, "Warning: no setting belongs to the environment variable %s: see skep daemon --help\n", name)
	}
	return errors.Join(errs...)
}

// settable are the flags a file may hold: not the ones about the command itself.
func settable(f *pflag.Flag) bool { return f.Name != configFlag && f.Name != "help" }

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func set(flags *pflag.FlagSet, name, source string, values ...string) error {
	for _, v := range values {
		if err := flags.Set(name, v); err != nil {
			return fmt.Errorf("the %s sets %s to %q: %w", source, name, v, err)
		}
	}
	return nil
}

// unknownEnv finds misspelt variables: a setting that silently does nothing is noticed too late.
func unknownEnv(flags *pflag.FlagSet) []string {
	known := map[string]bool{}
	flags.VisitAll(func(f *pflag.Flag) { known[envName(f.Name)] = true })
	var unknown []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, envPrefix) && !known[name] {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

// readConfigFile reads a YAML file (JSON is YAML) of flag names and values: one value or a list each.
func readConfigFile(flags *pflag.FlagSet, file string) (map[string][]string, error) {
	if file == "" {
		file = os.Getenv(envName(configFlag))
	}
	optional := file == ""
	if optional {
		file = defaultConfigFile
	}
	data, err := os.ReadFile(file)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the configuration file: %w", err)
	}
	var keys map[string]yaml.Node
	if err := yaml.Unmarshal(data, &keys); err != nil {
		return nil, fmt.Errorf("configuration file %s is not a list of settings: %w", file, err)
	}
	settings := map[string][]string{}
	var errs []error
	for key, value := range keys {
		if f := flags.Lookup(key); f == nil || !settable(f) {
			errs = append(errs, fmt.Errorf("configuration file %s, line %d: no setting is called %q; see skep daemon --help", file, value.Line, key))
			continue
		}
		settings[key], err = scalars(&value)
		if err != nil {
			errs = append(errs, fmt.Errorf("configuration file %s, line %d: %s %w", file, value.Line, key, err))
		}
	}
	return settings, errors.Join(errs...)
}

// scalars are the texts of a value or of a list of values, as they stand in the file.
func scalars(n *yaml.Node) ([]string, error) {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return nil, errors.New("has no value: leave the key out for the default")
	case n.Kind == yaml.ScalarNode:
		return []string{n.Value}, nil
	case n.Kind == yaml.SequenceNode:
		var all []string
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				return nil, errors.New("is a list of something else than plain values")
			}
			all = append(all, item.Value)
		}
		return all, nil
	default:
		return nil, errors.New("is neither a plain value nor a list of plain values")
	}
}
