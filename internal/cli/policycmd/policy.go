package policycmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/cli/local"
	"github.com/skep-org/skep/internal/cli/output"
	"github.com/skep-org/skep/internal/model/privilege"
)

// New is skep policy.
func New() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy COMMAND",
		Short: "Allow what swarm mode has no field for; encrypt networks",
		Long: `Allow services what swarm mode has no field for. A service asks for it by a
label; without a rule here none gets it. The privileges are:

  privileged    skep.privileged=true
  devices       skep.devices=/dev/fuse,/dev/ttyUSB0:/dev/modem:rw
  gpus          skep.gpus=all, =2 or =device=0,1
  security-opt  skep.security-opt=apparmor=unconfined,label=disable
  shm-size      skep.shm-size=256m
  host-ip       skep.publish.8080.host-ip=127.0.0.1

  skep policy allow devices --service 'mon_*'
  docker service create --name mon_smart --label skep.devices=/dev/sda IMAGE`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(allow(), list(), remove(), encrypt())
	return cmd
}

func allow() *cobra.Command {
	var host string
	var services []string
	cmd := &cobra.Command{
		Use:   "allow PRIVILEGE --service PATTERN",
		Short: "Allow services a privilege",
		Long: `Allow services a privilege. PATTERN is a service's name, with * and ? for what
varies; a stack's services are called STACK_NAME. It may be given several times.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := call(cmd, host, http.MethodPost, "/skep/policy/allow", &api.PolicyRule{Privilege: args[0], Services: services})
			if err != nil {
				return fmt.Errorf("nothing was changed: %w", err)
			}
			_ = body.Close()
			return output.Printf(cmd, "privilege %s is allowed to %s\n", args[0], strings.Join(services, ", "))
		},
		ValidArgs: privilege.Names(),
	}
	local.HostFlag(cmd, &host)
	cmd.Flags().StringArrayVar(&services, "service", nil, "`pattern` of service names")
	_ = cmd.MarkFlagRequired("service")
	return cmd
}

func remove() *cobra.Command {
	var host string
	var services []string
	cmd := &cobra.Command{
		Use:   "rm PRIVILEGE",
		Short: "Take a privilege back",
		Long: `Take a privilege back: from those patterns that are named, or from all. Containers
that have it run on; no new one gets it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := call(cmd, host, http.MethodPost, "/skep/policy/remove", &api.PolicyRule{Privilege: args[0], Services: services})
			if err != nil {
				return fmt.Errorf("nothing was changed: %w", err)
			}
			defer body.Close()
			var got api.PolicyChange
			if err := json.NewDecoder(body).Decode(&got); err != nil {
				return fmt.Errorf("the daemon's answer cannot be read: %w", err)
			}
			if err := output.Printf(cmd, "privilege %s is allowed no more to %s\n", args[0], strings.Join(got.Gone, ", ")); err != nil {
				return err
			}
			if len(got.Without) == 0 {
				return nil
			}
			return output.Printf(cmd, "services that ask for it, and whose next containers are refused: %s\n", strings.Join(got.Without, ", "))
		},
		ValidArgs: privilege.Names(),
	}
	local.HostFlag(cmd, &host)
	cmd.Flags().StringArrayVar(&services, "service", nil, "only this `pattern`")
	return cmd
}

func list() *cobra.Command {
	var host string
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "Show who is allowed what",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body, err := call(cmd, host, http.MethodGet, "/skep/policy", nil)
			if err != nil {
				return err
			}
			defer body.Close()
			var rules []api.PolicyRule
			if err := json.NewDecoder(body).Decode(&rules); err != nil {
				return fmt.Errorf("the daemon's answer cannot be read: %w", err)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
			_, _ = fmt.Fprintln(w, "PRIVILEGE\tSERVICES") // Flush tells
			for _, r := range rules {
				services := strings.Join(r.Services, ", ")
				if services == "" {
					services = "none"
				}
				_, _ = fmt.Fprintf(w, "%s\t%s\n", r.Privilege, services)
			}
			return w.Flush()
		},
	}
	local.HostFlag(cmd, &host)
	return cmd
}

func call(cmd *cobra.Command, host, method, path string, asked any) (io.ReadCloser, error) {
	d, err := local.New(host)
	if err != nil {
		return nil, err
	}
	var body io.Reader
	if asked != nil {
		raw, err := json.Marshal(asked)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(raw)
	}
	return d.Call(cmd.Context(), method, path, body, "skep policy")
}
