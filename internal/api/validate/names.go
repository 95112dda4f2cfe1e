package validate

import (
	"regexp"

	"github.com/skep-org/skep/internal/api/httperr"
)

// maxName is the longest label of a DNS name.
const maxName = 63

// Name checks the name of a service or network.
func Name(name string) error {
	switch {
	case name == "":
		return httperr.BadRequest("name must be provided")
	case !dnsName().MatchString(name):
		return httperr.BadRequest("name must be valid as a DNS name component")
	case len(name) > maxName:
		return httperr.BadRequest("name must be 63 characters or fewer")
	}
	return nil
}

// FileName checks the name of a secret or config.
func FileName(name string) error {
	switch {
	case name == "":
		return httperr.BadRequest("name must be provided")
	case len(name) > 64 || !fileName().MatchString(name):
		return httperr.BadRequest("invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]")
	}
	return nil
}

func dnsName() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*$`) }

func fileName() *regexp.Regexp {
	return regexp.MustCompile(`^[a-zA-Z0-9]+(?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?$`)
}
