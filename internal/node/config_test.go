package node

import (
	"strings"
	"testing"
)

// TestValidate changes one thing at a time in a valid configuration; each refusal has to say what to do.
func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string // part of the error; empty when the configuration is valid
	}{
		"defaults":            {func(*Config) {}, ""},
		"systemd's sockets":   {func(c *Config) { c.Hosts = []string{"fd://"} }, ""},
		"no host":             {func(c *Config) { c.Hosts = nil }, "no --host"},
		"relative socket":     {func(c *Config) { c.Hosts = []string{"unix://skep.sock"} }, "is none of unix:///path"},
		"bare address":        {func(c *Config) { c.Hosts = []string{"0.0.0.0:2375"} }, "is none of unix:///path"},
		"tcp without TLS":     {func(c *Config) { c.Hosts = []string{"tcp://0.0.0.0:2375"} }, "gives root on every node"},
		"tcp, insecure":       {func(c *Config) { c.Hosts, c.InsecureTCP = []string{"tcp://127.0.0.1:2375"}, true }, ""},
		"tcp without port":    {func(c *Config) { c.Hosts, c.InsecureTCP = []string{"tcp://127.0.0.1"}, true }, "not address:port"},
		"TLS without files":   {func(c *Config) { c.Hosts, c.TLSVerify = []string{"tcp://:2376"}, true }, "needs --tlscacert"},
		"TLS":                 {func(c *Config) { withTLS(c) }, ""},
		"remote engine":       {func(c *Config) { c.Engine = "tcp://10.0.0.1:2375" }, "on the same machine"},
		"own socket":          {func(c *Config) { c.Hosts = []string{c.Engine} }, "skep would ask itself"},
		"take the socket":     {func(c *Config) { c.TakeSocket = true }, "listen elsewhere"},
		"take, other name":    {func(c *Config) { c.TakeSocket, c.Engine = true, "unix:///run/docker.sock" }, "listen elsewhere"},
		"take, engine moved":  {func(c *Config) { c.TakeSocket, c.Engine = true, "unix:///run/engine.sock" }, ""},
		"socket mounts":       {func(c *Config) { c.DockerSocketMounts = "no" }, "none of skep, engine"},
		"log level":           {func(c *Config) { c.LogLevel = "trace" }, "--log-level"},
		"log format":          {func(c *Config) { c.LogFormat = "xml" }, "--log-format"},
		"listen":              {func(c *Config) { c.ListenAddr = "2377" }, "--listen-addr"},
		"no data directory":   {func(c *Config) { c.DataDir = "" }, "--data-dir"},
		"metrics":             {func(c *Config) { c.MetricsAddr = "9323" }, "--metrics-addr"},
		"advertise interface": {func(c *Config) { c.AdvertiseAddr = "eth0" }, ""},
		"advertise all":       {func(c *Config) { c.AdvertiseAddr = "0.0.0.0:2377" }, "name the one other nodes reach"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := DefaultConfig()
			c.change(&cfg)
			err := cfg.Validate()
			if c.want == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want an error that says %q", err, c.want)
			}
		})
	}
}

func withTLS(c *Config) {
	c.Hosts = append(c.Hosts, "tcp://0.0.0.0:2376")
	c.TLSVerify, c.TLSCACert, c.TLSCert, c.TLSKey = true, "ca.pem", "cert.pem", "key.pem"
}
