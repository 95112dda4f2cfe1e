package remote

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/skep-org/skep/internal/wire"
)

const (
	// sendLimit bounds what an agent may say ahead of a manager that does not read; beyond it the session ends, and
	// the next one begins with the whole.
	sendLimit = 1024
	recvLimit = 64
)

// session implements [wire.Session] on a stream.
type session struct {
	stream grpc.BidiStreamingClient[wire.AgentMessage, wire.ManagerMessage]
	end    context.CancelFunc
	ended  func(*wire.Goodbye) // with nil when the session ended without one
	// welcomed is told the heartbeat period; nil: nobody wants to know.
	welcomed func(period time.Duration)
	out      chan *wire.AgentMessage
	in       chan *wire.ManagerMessage

	once   sync.Once
	closed chan struct{}
}

func newSession(stream grpc.BidiStreamingClient[wire.AgentMessage, wire.ManagerMessage], end context.CancelFunc, ended func(*wire.Goodbye)) *session {
	return &session{
		stream: stream, end: end, ended: ended,
		out: make(chan *wire.AgentMessage, sendLimit), in: make(chan *wire.ManagerMessage, recvLimit), closed: make(chan struct{}),
	}
}

func (s *session) start() {
	go s.send()
	go s.receive()
}

// Send implements [wire.Session].
func (s *session) Send(msg *wire.AgentMessage) error {
	select {
	case <-s.closed:
		return wire.ErrEnded
	default:
	}
	select {
	case s.out <- msg:
		return nil
	default:
		s.Close()
		return wire.ErrEnded
	}
}

// Recv implements [wire.Session].
func (s *session) Recv() <-chan *wire.ManagerMessage { return s.in }

// Close implements [wire.Session].
func (s *session) Close() {
	s.once.Do(func() {
		close(s.closed)
		s.end()
	})
}

func (s *session) send() {
	defer s.Close()
	for {
		select {
		case <-s.closed:
			return
		case msg := <-s.out:
			if s.stream.Send(msg) != nil {
				return
			}
		}
	}
}

func (s *session) receive() {
	var bye *wire.Goodbye
	defer close(s.in)
	defer func() { s.ended(bye) }()
	defer s.Close()
	for {
		msg, err := s.stream.Recv()
		if err != nil {
			return
		}
		if msg.GetGoodbye() != nil {
			bye = msg.GetGoodbye()
		}
		if w := msg.GetWelcome(); w != nil && s.welcomed != nil {
			s.welcomed(time.Duration(w.HeartbeatPeriod))
		}
		select {
		case s.in <- msg:
		case <-s.closed:
			return
		}
	}
}
