package remote

import (
	"context"
	"sync"

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
	stream  grpc.BidiStreamingClient[wire.AgentMessage, wire.ManagerMessage]
	end     context.CancelFunc
	release func()
	hear    func(*wire.ManagerMessage) bool
	out     chan *wire.AgentMessage
	in      chan *wire.ManagerMessage

	once   sync.Once
	closed chan struct{}
}

func newSession(stream grpc.BidiStreamingClient[wire.AgentMessage, wire.ManagerMessage], end context.CancelFunc, release func(), hear func(*wire.ManagerMessage) bool) *session {
	return &session{
		stream: stream, end: end, release: release, hear: hear,
		out: make(chan *wire.AgentMessage, sendLimit), in: make(chan *wire.ManagerMessage, recvLimit), closed: make(chan struct{}),
	}
}

// start begins with a message that has come already.
func (s *session) start(first *wire.ManagerMessage) {
	go s.send()
	go s.receive(first)
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

func (s *session) receive(msg *wire.ManagerMessage) {
	defer s.release()
	defer close(s.in)
	defer s.Close()
	for {
		if s.hear(msg) {
			select {
			case s.in <- msg:
			case <-s.closed:
				return
			}
		}
		var err error
		if msg, err = s.stream.Recv(); err != nil {
			return
		}
	}
}
