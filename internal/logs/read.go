package logs

import (
	"bufio"
	"context"
	"strconv"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
)

// longestPart bounds what is read of a tty's line at once; the engine splits the others itself.
const longestPart = 64 << 10

// read hands a container's output on, message by message, until it ends or put fails.
func read(ctx context.Context, x executor.Executor, task model.ID, opts Options, put func(Message) error) error {
	tail := "all"
	if opts.Tail >= 0 {
		tail = strconv.Itoa(opts.Tail)
	}
	out, err := x.Logs(ctx, task, executor.LogOptions{
		Stdout: opts.Stdout, Stderr: opts.Stderr, Follow: opts.Follow, Timestamps: true, Details: true,
		Since: opts.Since, Until: opts.Until, Tail: tail,
	})
	if err != nil {
		return err
	}
	defer out.Close()
	defer context.AfterFunc(ctx, func() { out.Close() })()
	r := lines{r: bufio.NewReaderSize(out, longestPart), tty: out.TTY}
	for {
		data, stderr, err := r.next()
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
		m := Message{Task: task, Stderr: stderr}
		m.Time, m.Attrs, m.Data = parse(data)
		if err := put(m); err != nil {
			return err
		}
	}
}
