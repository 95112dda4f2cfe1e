package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

const (
	// mostQuestions bounds the questions that wait to be taken up, answersAtOnce those that are being answered.
	mostQuestions = 64
	answersAtOnce = 4
	// answerFrame is how much of an answer is sent at a time.
	answerFrame = 64 << 10
)

// respondent answers what managers ask of this node.
type respondent struct {
	questions chan *wire.Question
	// answers are the questions this build knows.
	answers map[string]func(ctx context.Context) ([]byte, error)
	dial    func(ctx context.Context, manager model.ID, addr string, stream model.ID) (sink, error)
	log     *slog.Logger
}

func newRespondent(
	log *slog.Logger, dial func(ctx context.Context, manager model.ID, addr string, stream model.ID) (sink, error),
	answers map[string]func(context.Context) ([]byte, error),
) *respondent {
	return &respondent{questions: make(chan *wire.Question, mostQuestions), answers: answers, dial: dial, log: log}
}

// sink takes an answer to the manager that asked.
type sink interface {
	Send(*wire.RelayFrame) error
	Close() error
}

// ask takes a question. It never waits.
func (r *respondent) ask(q *wire.Question) {
	select {
	case r.questions <- q:
	default:
		r.log.Warn("too many questions of managers; one is left aside", "question", q.What)
	}
}

// run answers until ctx ends.
func (r *respondent) run(ctx context.Context) error {
	var busy sync.WaitGroup
	defer busy.Wait()
	room := make(chan struct{}, answersAtOnce)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case room <- struct{}{}:
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case q := <-r.questions:
			busy.Go(func() {
				defer func() { <-room }()
				if err := r.answer(ctx, q); err != nil && ctx.Err() == nil {
					r.log.Info("a manager's question could not be answered", "question", q.What, "err", err)
				}
			})
		}
	}
}

func (r *respondent) answer(ctx context.Context, q *wire.Question) error {
	manager, err := wire.ID(q.AttachNode)
	if err != nil {
		return err
	}
	stream, err := wire.ID(q.StreamId)
	if err != nil {
		return err
	}
	var data []byte
	if answer, known := r.answers[q.What]; known {
		data, err = answer(ctx)
	} else {
		err = fmt.Errorf("its version of skep does not know the question %q", q.What)
	}
	out, derr := r.dial(ctx, manager, q.AttachAddr, stream)
	if derr != nil {
		return derr
	}
	serr := tell(out, data, err)
	return errors.Join(serr, out.Close())
}

// tell sends an answer, or why there is none.
func tell(out sink, data []byte, why error) error {
	if why != nil {
		return sent(out.Send(&wire.RelayFrame{Error: why.Error(), End: true}))
	}
	for len(data) > answerFrame {
		if err := out.Send(&wire.RelayFrame{Data: data[:answerFrame]}); err != nil {
			return sent(err)
		}
		data = data[answerFrame:]
	}
	return sent(out.Send(&wire.RelayFrame{Data: data, End: true}))
}

// sent leaves out that the manager wants no more.
func sent(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
