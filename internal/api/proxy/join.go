package proxy

import (
	"context"
	"io"
	"net"
	"time"
)

// linger is how long a client may go on sending after the engine has closed its side. Closing at once
// could lose the last bytes the client has not read yet.
const linger = 5 * time.Second

// end is one end of a joined pair.
type end struct {
	conn   net.Conn
	reader io.Reader
}

// closeWrite ends one direction and leaves the other open, where the connection can.
func (e *end) closeWrite() {
	if half, ok := e.conn.(interface{ CloseWrite() error }); ok {
		// A connection that is already broken has nothing left to close.
		_ = half.CloseWrite()
	}
}

// join copies between the two ends until the engine has said everything, or ctx ends. The end of the
// client's input (a closed stdin) is carried to the engine and does not end the output.
func join(ctx context.Context, client, engine *end) {
	stop := context.AfterFunc(ctx, func() {
		client.conn.Close()
		engine.conn.Close()
	})
	defer stop()

	input := make(chan struct{})
	go func() {
		defer close(input)
		if _, err := io.Copy(engine.conn, client.reader); err != nil {
			// The engine takes no more; keep reading so that the client's close is seen.
			_, _ = io.Copy(io.Discard, client.reader)
		}
		engine.closeWrite()
	}()

	// An error means that one of the two is gone: in both cases the output has ended.
	_, outputErr := io.Copy(client.conn, engine.reader)
	client.closeWrite()
	if outputErr != nil {
		client.conn.Close()
	}
	// A deadline on a closed connection is refused, and not needed.
	_ = client.conn.SetReadDeadline(time.Now().Add(linger))
	<-input
}
