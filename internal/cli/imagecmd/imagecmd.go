package imagecmd

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/cli/local"
	"github.com/skep-org/skep/internal/cli/messages"
	"github.com/skep-org/skep/internal/cli/output"
)

// New is skep image.
func New() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image COMMAND",
		Short: "Show and change what is in the cluster's registry",
		Long: `Show and change what is in the cluster's registry. Every node serves it to its
own engine: what is pushed to one node can be pulled from all.

  docker push 127.0.0.1:5005/app:1
  docker service create --name app 127.0.0.1:5005/app:1`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(list(), remove(), collect(), push())
	return cmd
}

func hostFlag(cmd *cobra.Command) *string {
	host := new(string)
	local.HostFlag(cmd, host)
	return host
}

// ask calls the daemon and reads its answer into v; nil: there is none.
func ask(cmd *cobra.Command, host, method, path string, v any) error {
	d, err := local.New(host)
	if err != nil {
		return err
	}
	return d.Ask(cmd.Context(), method, path, v, "skep image")
}

func list() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "Show the images in the cluster's registry",
		Long: `Show the images in the cluster's registry. COPIES is on how many nodes that
are up all of an image can be had; an image without a tag is named by its
digest only.`,
		Args: cobra.NoArgs,
	}
	host := hostFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var got api.ImageList
		if err := ask(cmd, *host, http.MethodGet, "/skep/images", &got); err != nil {
			return err
		}
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
		_, _ = fmt.Fprintln(w, "IMAGE\tDIGEST\tSIZE\tCOPIES\tPUSHED") // Flush tells
		for _, i := range got.Images {
			name := got.Registry + "/" + i.Repository
			if i.Tag != "" {
				name += ":" + i.Tag
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s ago\n", name, short(i.Digest), units.HumanSize(float64(i.Size)), i.Copies, units.HumanDuration(time.Since(i.Pushed)))
		}
		return w.Flush()
	}
	return cmd
}

// short is a digest as docker shows one, which is enough to tell images apart and not to name one.
func short(digest string) string {
	const shown = len("sha256:") + 12
	if len(digest) < shown {
		return digest
	}
	return digest[:shown]
}

func remove() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "rm IMAGE [IMAGE...]",
		Aliases: []string{"remove"},
		Short:   "Remove images from the cluster's registry",
		Long: `Remove images from the cluster's registry: NAME:TAG removes the tag,
NAME@DIGEST the image with all its tags. Containers that run it run on. What
no image needs any more is removed from the nodes' disks a day later, or by
skep image gc.`,
		Args: cobra.MinimumNArgs(1),
	}
	host := hostFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var errs []error
		for _, name := range args {
			err := ask(cmd, *host, http.MethodPost, "/skep/images/remove?name="+url.QueryEscape(name), nil)
			if err == nil {
				err = output.Printf(cmd, "removed %s\n", name)
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	return cmd
}

func collect() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove what no image in the cluster's registry needs",
		Long: `Remove what no image in the cluster's registry needs: images that have lost
their tag, and what only they were made of. The cluster does so by itself with
what nothing has needed for a day. What is referred to is never removed; a
push that counted on something just removed fails, and succeeds when it is
done again.`,
		Args: cobra.NoArgs,
	}
	host := hostFlag(cmd)
	grace := cmd.Flags().Duration("grace", time.Hour, "spare what was needed this `long` ago")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var got api.Collected
		if err := ask(cmd, *host, http.MethodPost, "/skep/images/collect?grace="+url.QueryEscape(grace.String()), &got); err != nil {
			return err
		}
		if got.Blobs == 0 {
			return output.Printf(cmd, "there is nothing to remove\n")
		}
		return output.Printf(cmd, "removed %d blobs, %s: the nodes free their disks within two hours\n", got.Blobs, units.HumanSize(float64(got.Bytes)))
	}
	return cmd
}

func push() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "push LOCAL [NAME]",
		Short: "Push an image of this node's engine to the cluster's registry",
		Long: `Push an image of this node's engine to the cluster's registry, under the name
it has or another one, and say what it is called there.

  skep image push app:1
  skep image push sha256:7c5695719da7 team/app:2`,
		Args: cobra.RangeArgs(1, 2),
	}
	host := hostFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var got api.RegistryPlace
		if err := ask(cmd, *host, http.MethodGet, "/skep/registry", &got); err != nil {
			return err
		}
		repository, tag, err := nameThere(got.Registry, args)
		if err != nil {
			return err
		}
		at := got.Registry + "/" + repository
		d, err := local.New(*host)
		if err != nil {
			return err
		}
		if err := tagLocal(cmd, d, args[0], at, tag); err != nil {
			return err
		}
		body, err := d.Call(cmd.Context(), http.MethodPost, "/images/"+at+"/push?tag="+url.QueryEscape(tag), nil, "skep image")
		if err != nil {
			return err
		}
		defer body.Close()
		if err := messages.Follow(body, func(m messages.Message) {
			if text := m.Pushed(); text != "" {
				_, _ = fmt.Fprintln(cmd.ErrOrStderr(), text)
			}
		}); err != nil {
			return fmt.Errorf("push %s:%s: %w", at, tag, err)
		}
		return output.Printf(cmd, "%s:%s\n", at, tag)
	}
	return cmd
}
