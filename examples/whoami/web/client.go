package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// askWithin bounds one request, so that a lost answer shows in the log.
const askWithin = 5 * time.Second

// checkHealth is the HEALTHCHECK of an image without a shell or curl.
func checkHealth(ctx context.Context, url string, hold time.Duration) error {
	line, err := ask(ctx, url, askWithin+hold)
	if err != nil {
		return err
	}
	printf(os.Stdout, "%s\n", line)
	return nil
}

// askForever asks a URL at intervals and logs one line for each answer or error, until the context ends. Each request
// makes a new connection, as the clients of a load balancer do.
func askForever(ctx context.Context, url string, every time.Duration, log io.Writer) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		line, err := ask(ctx, url, askWithin)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			printf(log, "%s: error: %v\n", url, err)
		} else {
			printf(log, "%s: %s\n", url, line)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// ask returns the first line of the answer.
func ask(ctx context.Context, url string, within time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", fmt.Errorf("making the request: %w", err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	lines.Scan()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", resp.Status, lines.Text())
	}
	return lines.Text(), lines.Err()
}
