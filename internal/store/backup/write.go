package backup

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

const (
	magic     = "skep backup 1\n"
	frameSize = 64 << 10
)

// Header says what a backup is of.
type Header struct {
	Cluster string    // the cluster's id
	Epoch   uint64    // how often the cluster began anew from an older state, and when
	Index   uint64    // of the last write in it
	Time    time.Time // when it was taken
	Version string    // of the skep that took it
}

// Write writes a backup. When it fails what was written is no backup.
func Write(w io.Writer, h Header, state func(io.Writer) error) error {
	head, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("write the backup's header: %w", err)
	}
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	if _, err := io.WriteString(out, magic); err != nil {
		return err
	}
	if err := (frames{out}).frame(head); err != nil {
		return err
	}
	body := bufio.NewWriterSize(frames{out}, frameSize)
	if err := state(body); err != nil {
		return err
	}
	if err := body.Flush(); err != nil {
		return err
	}
	if err := (frames{out}).frame(nil); err != nil {
		return err
	}
	_, err = w.Write(sum.Sum(nil))
	return err
}

// frames cuts what is written into frames.
type frames struct{ w io.Writer }

func (f frames) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		k := min(len(p), frameSize)
		if err := f.frame(p[:k]); err != nil {
			return n, err
		}
		n, p = n+k, p[k:]
	}
	return n, nil
}

func (f frames) frame(p []byte) error {
	if _, err := f.w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(p)))); err != nil {
		return err
	}
	_, err := f.w.Write(p)
	return err
}
