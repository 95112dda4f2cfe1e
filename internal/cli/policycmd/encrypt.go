package policycmd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/cli/local"
	"github.com/skep-org/skep/internal/cli/output"
)

// cost is what encryption costs, as it was measured: docs/networks.md.
const cost = `What it costs, of what a plain network carries between two nodes: with WireGuard in
a process, where the kernel has none, about an eighth of the throughput and a third
of the new connections, at some 128 MiB of memory a node. UDP ports 51830 and 51831
must be open between all nodes. See docs/networks.md.
`

// encrypt is skep policy encrypt-networks.
func encrypt() *cobra.Command {
	var host string
	cmd := &cobra.Command{
		Use:   "encrypt-networks [on|off]",
		Short: "Have every new overlay network encrypted, or say whether they are",
		Long: `Have every overlay network that is made from now on encrypted, as --opt encrypted
does for one, or say whether they are. Networks that are there stay as they are,
and so does the ingress network, which carries published ports between nodes, until
it is removed and made anew.`,
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"on", "off"},
		RunE: func(cmd *cobra.Command, args []string) error {
			method, asked, failed := http.MethodGet, any(nil), "the policy is not known"
			if len(args) > 0 {
				method, asked, failed = http.MethodPost, &api.NetworkPolicy{Encrypt: args[0] == "on"}, "nothing was changed"
			}
			body, err := call(cmd, host, method, "/skep/policy/networks", asked)
			if err != nil {
				return fmt.Errorf("%s: %w", failed, err)
			}
			defer body.Close()
			var got api.NetworkPolicy
			if err := json.NewDecoder(body).Decode(&got); err != nil {
				return fmt.Errorf("the daemon's answer cannot be read: %w", err)
			}
			return sayEncrypt(cmd, got)
		},
	}
	local.HostFlag(cmd, &host)
	return cmd
}

func sayEncrypt(cmd *cobra.Command, got api.NetworkPolicy) error {
	if !got.Encrypt {
		return output.Printf(cmd, "new overlay networks are encrypted where --opt encrypted asks for it\n")
	}
	text := "every new overlay network is encrypted\n"
	if len(got.Plain) > 0 {
		text += "not encrypted, as they were there before: " + strings.Join(got.Plain, ", ") + "\n"
	}
	if got.Ingress != "" {
		text += fmt.Sprintf(`what comes to published ports is not encrypted between nodes: the network %[1]s was there
before. While no service publishes ports it can be made anew: docker network rm %[1]s, then
docker network create --driver overlay --ingress %[1]s. Published ports are then much slower.
`, got.Ingress)
	}
	return output.Printf(cmd, "%s", text+cost)
}
