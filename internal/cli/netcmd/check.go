package netcmd

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/cli/local"
)

// New is skep net.
func New() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "net COMMAND",
		Short: "Look after the cluster's networks",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(check())
	return cmd
}

func check() *cobra.Command {
	var host, one string
	var all, raw bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Compare a node's networks with what they should be",
		Long: `Compare this node's networks with what they should be: what the managers want
against the kernel, the Docker Engine and the name servers, and whether packets
reach the other nodes, small and full ones. Each finding says what to do.

It changes nothing; what skep can repair it repairs by itself within seconds.
Another node, or all of them, are checked from a manager.

The exit status is 0 when everything was checked and is well.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := local.New(host)
			if err != nil {
				return err
			}
			q := url.Values{}
			if one != "" {
				q.Set("node", one)
			}
			if all {
				q.Set("all", "1")
			}
			body, err := d.Call(cmd.Context(), http.MethodGet, "/skep/net/check?"+q.Encode(), nil, "skep net check")
			if err != nil {
				return fmt.Errorf("nothing was checked: %w", err)
			}
			defer body.Close()
			return show(cmd.OutOrStdout(), body, raw)
		},
	}
	local.HostFlag(cmd, &host)
	cmd.Flags().StringVar(&one, "node", "", "check another `node`")
	cmd.Flags().BoolVar(&all, "all", false, "check all nodes")
	cmd.Flags().BoolVar(&raw, "json", false, "print the answer as JSON")
	cmd.MarkFlagsMutuallyExclusive("node", "all")
	return cmd
}

// show prints an answer; an error says that not all is well.
func show(w io.Writer, body io.Reader, raw bool) error {
	text, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("the daemon's answer broke off: %w", err)
	}
	var got api.NetCheck
	if err := json.Unmarshal(text, &got); err != nil {
		return fmt.Errorf("the daemon's answer cannot be read: %w", err)
	}
	if raw {
		_, err = w.Write(text)
	} else {
		_, err = io.WriteString(w, render(got))
	}
	if err != nil {
		return err
	}
	return verdict(got)
}
