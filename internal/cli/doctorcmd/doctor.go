package doctorcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/cli/local"
	"github.com/skep-org/skep/internal/node"
	"github.com/skep-org/skep/internal/provision/doctor"
	"github.com/skep-org/skep/internal/provision/examine"
)

// New is skep doctor.
func New() *cobra.Command {
	o := examine.Options{}
	var bare, raw bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is missing or wrong on this host, and what mends it",
		Long: `Say what is missing or wrong on this host, what that does, and which command
mends it: the kernel, its settings, the clock, disks, ports, the Docker Engine,
the daemon, and whether managers and other nodes are reached. On a manager the
networks and clocks of all nodes are looked at.

It changes nothing, and works on hosts that are no nodes yet: --bare does not
miss what is to be installed. It has to be run as root.

The exit status is 0 when nothing is wrong; what is doubtful is shown only.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for i, addr := range o.Reach {
				if _, _, err := net.SplitHostPort(addr); err != nil {
					o.Reach[i] = net.JoinHostPort(addr, "2377")
				}
			}
			o.NetCheck = func(ctx context.Context, all bool) (api.NetCheck, error) { return netCheck(ctx, o.Daemon, all) }
			as := doctor.Full
			if bare {
				as, o.NetCheck = doctor.Bare, nil
			}
			facts := examine.Examine(cmd.Context(), o)
			report := Report{Facts: facts, Findings: doctor.Judge(facts, as)}
			if raw {
				return printJSON(cmd.OutOrStdout(), report)
			}
			if _, err := io.WriteString(cmd.OutOrStdout(), render(report)); err != nil {
				return err
			}
			return verdict(report.Findings)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Daemon, "host", node.DefaultHost, "`address` of skep's API")
	f.StringVar(&o.Engine, "engine", "unix://"+node.DockerSocket, "`address` of this machine's Docker Engine")
	f.StringSliceVar(&o.Reach, "manager", nil, "`address` of a manager that this host is to reach; may be given several times")
	f.BoolVar(&bare, "bare", false, "do not miss an engine and a daemon that are to be installed yet")
	f.BoolVar(&raw, "json", false, "print what was found out and what is wrong as JSON; the exit status is 0")
	return cmd
}

// Report is what --json prints.
type Report struct {
	Facts    doctor.Facts     `json:"facts"`
	Findings []doctor.Finding `json:"findings"`
}

func printJSON(w io.Writer, r Report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func netCheck(ctx context.Context, host string, all bool) (api.NetCheck, error) {
	var got api.NetCheck
	d, err := local.New(host)
	if err != nil {
		return got, err
	}
	path := "/skep/net/check"
	if all {
		path += "?all=1"
	}
	err = d.Ask(ctx, http.MethodGet, path, &got, "skep net check")
	return got, err
}

// render is a report for people: a paragraph for each finding.
func render(r Report) string {
	var out strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&out, "%s: %s: %s\n  %s\n  $ %s\n", f.Level, f.Area, f.What, f.Why, f.Mend)
	}
	d := r.Facts.Daemon
	state := "no skep daemon answers"
	if d.Err == "" {
		role := "worker"
		if d.Manager {
			role = "manager"
		}
		state = fmt.Sprintf("skep %s, %s", d.Version, d.State)
		if d.State == "active" {
			state = fmt.Sprintf("skep %s, an active %s", d.Version, role)
		}
	}
	engine := "no Docker Engine answers"
	if r.Facts.Engine.Err == "" {
		engine = "Docker Engine " + r.Facts.Engine.Version
	}
	fmt.Fprintf(&out, "%s: kernel %s; %s; %s\n", r.Facts.Host, r.Facts.Kernel, engine, state)
	return out.String()
}

func verdict(all []doctor.Finding) error {
	wrong := 0
	for _, f := range all {
		if f.Level == doctor.Wrong {
			wrong++
		}
	}
	switch wrong {
	case 0:
		return nil
	case 1:
		return errors.New("1 thing is wrong")
	}
	return fmt.Errorf("%d things are wrong", wrong)
}
