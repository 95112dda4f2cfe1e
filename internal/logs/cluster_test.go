package logs

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/stretchr/testify/require"
)

// TestAllNodes: what there is comes from every node; one that cannot be asked is named once.
func TestAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, done := newWorld(t)
		defer done()
		w1, w2 := w.node("w1"), w.node("w2")
		a, b, c := w.task("a", "m"), w.task("b", "w1"), w.task("c", "w2")
		w.task("d", "w2")
		w.own.say(a, "own")
		w1.engine.say(b, "first", "second")
		w2.engine.say(c, "hidden")
		w.reach("w2", model.ReachDown)
		s := w.open(Selector{Service: w.id(service)}, Options{Tail: -1})
		got := next(t, s, time.Minute)
		require.Equal(t, "end", got[len(got)-1])
		want := []string{
			fmt.Sprintf("%d: own", a[15]), fmt.Sprintf("%d: first", b[15]), fmt.Sprintf("%d: second", b[15]),
			"! node w2 is down: its logs are not shown",
		}
		require.ElementsMatch(t, want, got[:len(got)-1])
		require.NoError(t, s.Close())
		// One task, its last line.
		s = w.open(Selector{Task: b}, Options{Tail: 1})
		require.Equal(t, []string{fmt.Sprintf("%d: second", b[15]), "end"}, next(t, s, time.Minute))
		require.NoError(t, s.Close())
		time.Sleep(closeWait)
		require.Zero(t, w1.engine.readers())
	})
}

// TestFollow: tasks come and go on any node, connections break, nodes go and come back; every line is shown once.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, done := newWorld(t)
		defer done()
		w1, w2 := w.node("w1"), w.node("w2")
		s := w.open(Selector{Service: w.id(service)}, Options{Tail: -1, Follow: true})
		read := func() []string { return next(t, s, 10*time.Second) }
		require.Empty(t, read())

		w1.engine.say(w.id("a"), "one")
		w.own.say(w.id("b"), "own")
		a, b := w.task("a", "w1"), w.task("b", "m")
		require.ElementsMatch(t, []string{fmt.Sprintf("%d: one", a[15]), fmt.Sprintf("%d: own", b[15])}, read())

		// The connection breaks, and is made again.
		w1.cutAll()
		time.Sleep(time.Millisecond)
		w1.engine.say(a, "two")
		require.Equal(t, []string{"! node w1 does not send its logs: the connection was lost: reset by peer", fmt.Sprintf("%d: two", a[15])}, read())

		// The node is gone for a while.
		w.reach("w1", model.ReachDown)
		w1.cutAll()
		got := read()
		require.Contains(t, got[0], "does not send its logs")
		w1.engine.say(a, "three")
		w2.engine.say(w.id("c"), "other")
		c := w.task("c", "w2")
		require.Equal(t, []string{fmt.Sprintf("%d: other", c[15])}, read())
		w.reach("w1", model.ReachReady)
		require.Equal(t, []string{fmt.Sprintf("%d: three", a[15])}, read())

		// Tasks end; the service goes.
		w1.engine.end(a)
		w2.engine.end(c)
		w.own.end(b)
		require.Empty(t, read())
		for _, id := range []model.ID{a, b, c} {
			w.write(store.WriterOrchestrator, store.Tasks.Delete(model.KeyOf(id)))
		}
		w.write(store.WriterAPI, store.Services.Delete(model.KeyOf(w.id(service))))
		require.Equal(t, []string{"end"}, read())
		require.NoError(t, s.Close())
	})
}

// TestSlowReader: what nobody reads stays where it is, and holds nobody else up.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, done := newWorld(t)
		defer done()
		w1 := w.node("w1")
		a, b := w.task("a", "w1"), w.task("b", "w1")
		var many []string
		for i := range 5000 {
			many = append(many, fmt.Sprint(i))
		}
		w1.engine.say(a, many...)
		w1.engine.say(b, "quick")
		slow := w.open(Selector{Task: a}, Options{Tail: -1, Follow: true})
		time.Sleep(time.Minute)
		require.Less(t, w1.sentFrames(), 200)
		quick := w.open(Selector{Task: b}, Options{Tail: -1})
		require.Equal(t, []string{fmt.Sprintf("%d: quick", b[15]), "end"}, next(t, quick, time.Second))
		require.NoError(t, quick.Close())
		w1.engine.end(a)
		got := next(t, slow, time.Minute)
		require.Equal(t, len(many)+1, len(got), "the last of them: %v", got[len(got)-3:])
		for i, line := range got[:len(many)] {
			require.Equal(t, fmt.Sprintf("%d: %d", a[15], i), line)
		}
		require.NoError(t, slow.Close())
	})
}

// TestClose: when nobody reads any more, nothing of it runs on, silent containers' streams neither.
func TestClose(t *testing.T) {
	for _, told := range []bool{true, false} {
		t.Run(fmt.Sprintf("told %v", told), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, done := newWorld(t)
				defer done()
				w1 := w.node("w1")
				a := w.task("a", "w1")
				w1.engine.say(a, "one")
				s := w.open(Selector{Service: w.id(service)}, Options{Tail: -1, Follow: true})
				require.Len(t, next(t, s, time.Second), 1)
				require.Equal(t, 1, w1.engine.readers())
				w1.deaf.Store(!told)
				require.NoError(t, s.Close())
				time.Sleep(2 * idleFrame)
				require.Zero(t, w1.engine.readers())
				require.Empty(t, w.desk.awaited)
			})
		})
	}
}

// TestNoAnswer: a node that is connected and sends nothing is named; when following it is asked again.
func TestNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, done := newWorld(t)
		defer done()
		w1 := w.node("w1")
		a := w.task("a", "w1")
		w1.engine.say(a, "one")
		w1.deaf.Store(true)
		s := w.open(Selector{Task: a}, Options{Tail: -1})
		require.Equal(t, []string{"! node w1 does not send its logs: it did not answer within 5s", "end"}, next(t, s, time.Minute))
		require.NoError(t, s.Close())
		s = w.open(Selector{Task: a}, Options{Tail: -1, Follow: true})
		require.Len(t, next(t, s, time.Minute), 1) // told once
		w1.deaf.Store(false)
		w1.engine.end(a)
		require.Equal(t, []string{fmt.Sprintf("%d: one", a[15]), "end"}, next(t, s, time.Minute))
		require.NoError(t, s.Close())
	})
}

// TestForeignStreams: a node hands in only what it was asked for.
func TestForeignStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, done := newWorld(t)
		defer done()
		w.nodes[w.id("w1")] = &nodeWorld{}
		w.nodes[w.id("w1")].deaf.Store(true)
		var stream model.ID
		go func() { _, _ = w.desk.Open(w.ctx, w.id("w1"), nil, Options{}) }()
		synctest.Wait()
		for stream = range w.desk.awaited {
		}
		require.ErrorIs(t, w.desk.Attach(w.ctx, w.id("w2"), stream, nil), ErrNoStream)
		require.ErrorIs(t, w.desk.Attach(w.ctx, w.id("w1"), w.id("other"), nil), ErrNoStream)
		time.Sleep(attachWait)
		synctest.Wait()
		require.ErrorIs(t, w.desk.Attach(w.ctx, w.id("w1"), stream, nil), ErrNoStream)
	})
}

// TestFrames: what is sent is what was read.
func TestFrames(t *testing.T) {
	m := Message{Task: model.NumID(3), Time: time.Unix(7, 9).UTC(), Stderr: true, Attrs: map[string]string{"a": "b"}, Data: []byte("x\n")}
	got, err := messageOf(frameOf(m))
	require.NoError(t, err)
	require.Equal(t, m, got)
	m = Message{Task: model.NumID(3), Err: errors.New("broken")}
	got, err = messageOf(frameOf(m))
	require.NoError(t, err)
	require.Equal(t, m, got)
	opts := Options{Stdout: true, Follow: true, Since: time.Unix(3, 0).UTC(), Tail: -1}
	tasks, back, err := optionsOf(requestOf(model.NumID(1), []model.ID{model.NumID(2)}, opts))
	require.NoError(t, err)
	require.Equal(t, opts, back)
	require.True(t, slices.Equal([]model.ID{model.NumID(2)}, tasks))
}
