package scale

import (
	"os"
	"time"
)

// account is what the parts have used up to a moment.
type account struct {
	at       time.Time
	managers []time.Duration // 0: it is dead
	agents   time.Duration
	self     time.Duration
	all      time.Duration // the machine's
	net      agentsState
}

func (r *run) account() (a account, err error) {
	a.at = time.Now()
	for _, c := range r.managers {
		var d time.Duration
		if !c.dead {
			if d, err = processorTime(c.pid()); err != nil {
				return a, err
			}
		}
		a.managers = append(a.managers, d)
	}
	for _, c := range r.agents {
		d, err := processorTime(c.pid())
		if err != nil {
			return a, err
		}
		a.agents += d
		var s agentsState
		if err := c.ask(question{Do: "state"}, &s); err != nil {
			return a, err
		}
		a.net.Read, a.net.Wrote, a.net.Connected = a.net.Read+s.Read, a.net.Wrote+s.Wrote, a.net.Connected+s.Connected
	}
	if a.self, err = processorTime(os.Getpid()); err != nil {
		return a, err
	}
	a.all, err = busy()
	return a, err
}

// spent is what was used between two moments.
type spent struct {
	seconds  float64
	managers []time.Duration
	agents   time.Duration
	others   float64 // cores that who is no part of the run used
	net      agentsState
}

func (r *run) since(from account) (spent, error) {
	to, err := r.account()
	if err != nil {
		return spent{}, err
	}
	return from.until(to), nil
}

// until is the difference. A part that has come or gone meanwhile counts for nothing: the kernel's account of it is not there.
func (from account) until(to account) spent {
	s := spent{seconds: to.at.Sub(from.at).Seconds(), agents: to.agents - from.agents}
	ours := s.agents + to.self - from.self
	for i, d := range to.managers {
		if d > 0 {
			d -= from.managers[i]
		}
		s.managers = append(s.managers, d)
		ours += d
	}
	s.net = agentsState{Read: to.net.Read - from.net.Read, Wrote: to.net.Wrote - from.net.Wrote, Connected: to.net.Connected}
	s.others = max(0, (to.all-from.all-ours).Seconds()/s.seconds)
	return s
}

// besides is the mean of the managers that do not lead.
func (s spent) besides(lead int) time.Duration {
	var sum time.Duration
	n := 0
	for i, d := range s.managers {
		if i != lead && d > 0 {
			sum += d
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return sum / time.Duration(n)
}
