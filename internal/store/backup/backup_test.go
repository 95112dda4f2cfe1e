package backup

import (
	"bytes"
	"crypto/rand"
	"io"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// made is a backup of a state, written in pieces of all sizes.
func made(t require.TestingT, state []byte) []byte {
	var out bytes.Buffer
	h := Header{Cluster: "c", Epoch: 3, Index: 7, Time: time.Unix(9, 0).UTC(), Version: "v"}
	require.NoError(t, Write(&out, h, func(w io.Writer) error {
		for rest := state; len(rest) > 0; {
			n, err := w.Write(rest[:min(len(rest), 1+len(rest)/3)])
			if err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	}))
	return out.Bytes()
}

func TestWhatWasWrittenIsRead(t *testing.T) {
	for _, size := range []int{0, 1, frameSize - 1, frameSize, frameSize + 1, 5*frameSize + 17} {
		state := make([]byte, size)
		_, err := rand.Read(state)
		require.NoError(t, err)
		r, err := Open(iotest.HalfReader(bytes.NewReader(made(t, state))))
		require.NoError(t, err)
		require.EqualValues(t, 7, r.Header.Index)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.True(t, bytes.Equal(state, got), "%d bytes", size)
	}
}

// TestNoChangedByteGoesUnnoticed: wherever a bit is turned, whatever is cut off or put behind, no reader comes to the end.
func TestNoChangedByteGoesUnnoticed(t *testing.T) {
	whole := made(t, bytes.Repeat([]byte("state "), 3_000))
	rapid.Check(t, func(t *rapid.T) {
		b := bytes.Clone(whole)
		switch rapid.IntRange(0, 2).Draw(t, "what") {
		case 0:
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		case 1:
			b = b[:rapid.IntRange(0, len(b)-1).Draw(t, "length")]
		case 2:
			b = append(b, rapid.Byte().Draw(t, "more"))
		}
		if _, err := Verify(bytes.NewReader(b)); err == nil {
			t.Fatal("a changed backup is taken for a good one")
		}
	})
}

func sealedBackup(t *testing.T, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := seal(&out, rand.Reader, []byte("secret"), 4)
	require.NoError(t, err)
	_, err = w.Write(plain)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func unsealed(b []byte, passphrase string) ([]byte, error) {
	r, err := Unseal(bytes.NewReader(b), []byte(passphrase))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestSealing(t *testing.T) {
	for _, size := range []int{0, 2 * frameSize} {
		plain := bytes.Repeat([]byte{'x'}, size)
		b := sealedBackup(t, plain)
		require.NotContains(t, string(b), "xxxxxxxx")
		got, err := unsealed(b, "secret")
		require.NoError(t, err)
		require.True(t, bytes.Equal(plain, got), "%d bytes", size)
	}
	b := sealedBackup(t, bytes.Repeat([]byte{'x'}, 2*frameSize))
	_, err := unsealed(b, "guess")
	require.ErrorIs(t, err, ErrPassphrase)
	_, err = unsealed(b, "")
	require.ErrorIs(t, err, ErrNeedsPassphrase)
	_, err = Verify(bytes.NewReader(b))
	require.ErrorIs(t, err, ErrNoBackup)
	chunk := frameSize + 16
	_, err = unsealed(b[:len(b)-chunk], "secret")
	require.ErrorIs(t, err, ErrPassphrase, "the last chunk is cut off")
	head := len(sealedMagic) + saltSize + 1
	swapped := bytes.Join([][]byte{b[:head], b[head+chunk:], b[head : head+chunk]}, nil)
	_, err = unsealed(swapped, "secret")
	require.ErrorIs(t, err, ErrPassphrase, "chunks in another order")
	b[head-1] = logNMost + 1
	_, err = unsealed(b, "secret")
	require.ErrorIs(t, err, ErrDamaged, "a cost that no node could bear")
	plain := made(t, []byte("state"))
	got, err := unsealed(plain, "")
	require.NoError(t, err)
	require.Equal(t, plain, got, "a backup that is not sealed passes as it is")
}
