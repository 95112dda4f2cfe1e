package node

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
	"github.com/stretchr/testify/require"
)

// asker is a manager whose questions reach a node's respondent.
type asker struct {
	part *part
	node *respondent
}

// pipe is a stream between the two.
type pipe struct{ frames chan *wire.RelayFrame }

func (p pipe) Send(f *wire.RelayFrame) error { p.frames <- f; return nil }
func (p pipe) Close() error                  { close(p.frames); return nil }
func (p pipe) Next() (*wire.RelayFrame, error) {
	if f, ok := <-p.frames; ok {
		return f, nil
	}
	return nil, io.EOF
}

func newAsker(t *testing.T, answers map[string]func(context.Context) ([]byte, error)) *asker {
	a := &asker{part: &part{env: env.Real()}}
	dial := func(ctx context.Context, _ model.ID, _ string, stream model.ID) (sink, error) {
		p := pipe{make(chan *wire.RelayFrame, 1000)}
		go func() { _ = relay{a.part}.Attach(ctx, identity.Peer{Node: model.NumID(2)}, stream, p) }()
		return p, nil
	}
	a.node = newRespondent(slog.New(slog.DiscardHandler), dial, answers)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.node.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
	return a
}

// ask asks node 2, or who it is said to be.
func (a *asker) ask(ctx context.Context, node model.ID, what string) ([]byte, error) {
	id, q := model.ID(a.part.env.NewID()), &inquiry{node: node, answer: make(chan reply, 1)}
	return a.part.await(ctx, id, q, func() error {
		a.node.ask(&wire.Question{StreamId: wire.Bytes(id), AttachNode: wire.Bytes(model.NumID(1)), What: what})
		return nil
	})
}

func TestQuestions(t *testing.T) {
	long := bytes.Repeat([]byte("answer "), 100_000)
	a := newAsker(t, map[string]func(context.Context) ([]byte, error){
		"short": func(context.Context) ([]byte, error) { return []byte("yes"), nil },
		"long":  func(context.Context) ([]byte, error) { return long, nil },
		"empty": func(context.Context) ([]byte, error) { return nil, nil },
		"error": func(context.Context) ([]byte, error) { return nil, errors.New("not today") },
		"endless": func(context.Context) ([]byte, error) {
			return make([]byte, mostAnswer+1), nil
		},
	})
	node := model.NumID(2)
	for what, want := range map[string][]byte{"short": []byte("yes"), "long": long, "empty": nil} {
		got, err := a.ask(t.Context(), node, what)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), what)
	}
	for what, want := range map[string]string{"error": "not today", "unheard of": "does not know the question", "endless": "longer than"} {
		_, err := a.ask(t.Context(), node, what)
		require.ErrorContains(t, err, want)
	}
	require.Empty(t, a.part.inquiries.open)
}

func TestQuestionsAreAnsweredByWhomTheyWereAsked(t *testing.T) {
	a := &asker{part: &part{env: env.Real()}}
	id, q := model.NumID(9), &inquiry{node: model.NumID(2), answer: make(chan reply, 1)}
	require.True(t, a.part.inquiries.add(id, q))
	require.Nil(t, a.part.inquiries.take(model.NumID(3), id), "another node")
	require.Same(t, q, a.part.inquiries.take(model.NumID(2), id))
	require.Nil(t, a.part.inquiries.take(model.NumID(2), id), "once")
}

func TestAnswersThatBreakOff(t *testing.T) {
	p := pipe{make(chan *wire.RelayFrame, 1)}
	require.NoError(t, p.Send(&wire.RelayFrame{Data: []byte("half")}))
	require.NoError(t, p.Close())
	_, err := collect(p)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}
