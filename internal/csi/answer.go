package csi

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Plain leaves out what gRPC puts around a driver's words. An error that is no driver's stays as it is.
func Plain(err error) error {
	s, ok := status.FromError(err)
	switch {
	case !ok:
		return err
	case s.Code() == codes.DeadlineExceeded:
		return errors.New("it did not answer in time")
	}
	return fmt.Errorf("%s: %s", s.Code(), s.Message())
}

// MissingIsDone takes what is not there for undone, as CSI has it.
func MissingIsDone(err error) error {
	if status.Code(err) == codes.NotFound {
		return nil
	}
	return err
}
