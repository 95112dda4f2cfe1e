package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"
)

// call asks the cluster through the socket that was mounted.
func call(ctx context.Context, method, path string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", "/var/run/docker.sock")
	}}}
	req, err := http.NewRequestWithContext(ctx, method, "http://docker/v1.41"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, said)
	}
	return json.Unmarshal(said, into)
}

// docker prints what the cluster answers to a GET.
func docker(ctx context.Context, args []string) error {
	var answer any
	if err := call(ctx, http.MethodGet, args[0], nil, &answer); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	return out.Encode(answer)
}

// service is what a helper reads of one; Spec goes back as it came.
type service struct {
	ID      string
	Version struct{ Index uint64 }
	Spec    map[string]any
}

func (s service) label(name string) string {
	labels, _ := s.Spec["Labels"].(map[string]any)
	value, _ := labels[name].(string)
	return value
}

func services(ctx context.Context, label string) ([]service, error) {
	var found []service
	err := call(ctx, http.MethodGet, "/services?filters="+url.QueryEscape(fmt.Sprintf(`{"label":{%q:true}}`, label)), nil, &found)
	return found, err
}

// proxy sends requests to the tasks of the service whose label proxy.host is the request's host, at the port of its label
// proxy.port, by the addresses the cluster tells for the network of its label proxy.network.
func proxy(ctx context.Context, args []string) error {
	turn := 0
	return listen(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		turn++
		backends, err := backends(r.Context(), strings.Split(r.Host, ":")[0])
		if err != nil || len(backends) == 0 {
			http.Error(w, fmt.Sprintf("no server for %s: %v", r.Host, err), http.StatusBadGateway)
			return
		}
		to := &url.URL{Scheme: "http", Host: backends[turn%len(backends)]}
		httputil.NewSingleHostReverseProxy(to).ServeHTTP(w, r)
	}), args)
}

func backends(ctx context.Context, host string) ([]string, error) {
	found, err := services(ctx, "proxy.host="+host)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	s := found[0]
	var tasks []struct {
		Status              struct{ State string }
		NetworksAttachments []struct {
			Network   struct{ Spec struct{ Name string } }
			Addresses []string
		}
	}
	filter := fmt.Sprintf(`{"service":{%q:true},"desired-state":{"running":true}}`, s.ID)
	if err := call(ctx, http.MethodGet, "/tasks?filters="+url.QueryEscape(filter), nil, &tasks); err != nil {
		return nil, err
	}
	var all []string
	for _, t := range tasks {
		for _, n := range t.NetworksAttachments {
			if t.Status.State == "running" && n.Network.Spec.Name == s.label("proxy.network") {
				address, _, _ := strings.Cut(n.Addresses[0], "/")
				all = append(all, net.JoinHostPort(address, s.label("proxy.port")))
			}
		}
	}
	return all, nil
}

// cron starts the services with the label cron.every once after each such time: with one replica, and anew.
func cron(ctx context.Context, _ []string) error {
	last := map[string]time.Time{}
	for {
		found, err := services(ctx, "cron.every")
		if err != nil {
			say(os.Stdout, "%v\n", err)
		}
		for _, s := range found {
			every, err := time.ParseDuration(s.label("cron.every"))
			if err != nil || time.Since(last[s.ID]) < every {
				continue
			}
			last[s.ID] = time.Now()
			say(os.Stdout, "starting %v: %v\n", s.Spec["Name"], start(ctx, s))
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
}

func start(ctx context.Context, s service) error {
	template, _ := s.Spec["TaskTemplate"].(map[string]any)
	force, _ := template["ForceUpdate"].(float64)
	template["ForceUpdate"] = force + 1
	s.Spec["Mode"] = map[string]any{"Replicated": map[string]any{"Replicas": 1}}
	body, err := json.Marshal(s.Spec)
	if err != nil {
		return err
	}
	var answer any
	return call(ctx, http.MethodPost, fmt.Sprintf("/services/%s/update?version=%d", s.ID, s.Version.Index), body, &answer)
}
