package clusterapi

import (
	"context"
	"fmt"

	"github.com/skep-org/skep/internal/cli/dockerconfig"
)

// RegistryAuth is what the docker command would send for an image, where a command was asked --with-registry-auth.
func RegistryAuth(ctx context.Context, image string) (string, error) {
	dir, err := dockerconfig.Dir()
	if err != nil {
		return "", err
	}
	encoded, err := dockerconfig.RegistryAuth(ctx, dir, image)
	if err != nil {
		return "", fmt.Errorf("the credentials for %s cannot be read, as --with-registry-auth asks: %w", image, err)
	}
	return encoded, nil
}
