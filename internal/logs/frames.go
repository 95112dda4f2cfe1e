package logs

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
)

// maxFrame bounds what a broken stream can make us read at once; the engine splits lines at 16 KiB.
const maxFrame = 1 << 20

// lines reads a container's output, asked for with timestamps and details, message by message.
type lines struct {
	r   *bufio.Reader
	tty bool
}

// next returns one message; of a tty's raw stream a line, else a frame: the engine puts one message in each.
func (l *lines) next() (data []byte, stderr bool, err error) {
	if l.tty {
		part, err := l.r.ReadSlice('\n') // of a line too long for the buffer, as much as fits
		if len(part) > 0 {
			return bytes.Clone(part), false, nil
		}
		return nil, false, err
	}
	var head [8]byte // stream, three zeros, length in network order
	if _, err := io.ReadFull(l.r, head[:]); err != nil {
		return nil, false, err
	}
	n := binary.BigEndian.Uint32(head[4:])
	if n > maxFrame || head[0] > 3 {
		return nil, false, fmt.Errorf("the engine's log stream is broken: a frame of stream %d with %d bytes", head[0], n)
	}
	data = make([]byte, n)
	if _, err := io.ReadFull(l.r, data); err != nil {
		return nil, false, io.ErrUnexpectedEOF
	}
	if head[0] == 3 {
		return nil, false, fmt.Errorf("the engine's log stream ended: %s", bytes.TrimSpace(data))
	}
	return data, head[0] == 2, nil
}

// parse takes "TIME DETAILS LINE" apart. A line that does not begin with a time is taken as it is.
func parse(data []byte) (at time.Time, attrs map[string]string, line []byte) {
	stamp, rest, ok := bytes.Cut(data, []byte{' '})
	if !ok {
		return time.Time{}, nil, data
	}
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return time.Time{}, nil, data
	}
	details, line, ok := bytes.Cut(rest, []byte{' '})
	if !ok {
		return at, nil, rest
	}
	return at, parseDetails(string(details)), line
}

// parseDetails reads "key=value,key=value" as the engine writes it, escaped like a query.
func parseDetails(s string) map[string]string {
	if s == "" {
		return nil
	}
	out := map[string]string{}
	for pair := range strings.SplitSeq(s, ",") {
		k, v, _ := strings.Cut(pair, "=")
		key, err1 := url.QueryUnescape(k)
		value, err2 := url.QueryUnescape(v)
		if err1 == nil && err2 == nil {
			out[key] = value
		}
	}
	return out
}
