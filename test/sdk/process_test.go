package sdk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// output runs c to its end and returns what it printed; an error holds the rest.
func output(ctx context.Context, c *exec.Cmd) ([]byte, error) {
	var out, log bytes.Buffer
	c.Stdout, c.Stderr = &out, &log
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", c.Path, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Process.Kill() })
	defer stop()
	if err := c.Wait(); err != nil {
		return nil, fmt.Errorf("%v: %w\n%s%s", c.Args, errors.Join(err, ctx.Err()), tail(log.Bytes()), tail(out.Bytes()))
	}
	return out.Bytes(), nil
}

// tail is the end of a log that is too long to show.
func tail(log []byte) []byte { return log[max(0, len(log)-4000):] }

// start runs a server until the test ends and returns its URL: the address that it
// prints behind mark. A polite one ends by SIGTERM, without an error.
func start(t *testing.T, c *exec.Cmd, mark string, polite bool) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() { end(t, c, ended, name, polite) })
	address := regexp.MustCompile(regexp.QuoteMeta(mark) + `([0-9.:]+)`)
	for deadline := time.Now().Add(startTime); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		printed, _ := os.ReadFile(name)
		if m := address.FindSubmatch(printed); m != nil {
			return "http://" + string(m[1])
		}
	}
	t.Fatalf("%s does not say where it listens", c.Path)
	return ""
}

// end stops a server; a polite one says by its exit and its log that all was well.
func end(t *testing.T, c *exec.Cmd, ended <-chan error, log string, polite bool) {
	select {
	case err := <-ended:
		printed, _ := os.ReadFile(log)
		t.Errorf("%s ended by itself: %v\n%s", c.Path, err, tail(printed))
		return
	default:
	}
	stop := syscall.SIGKILL
	if polite {
		stop = syscall.SIGTERM
	}
	_ = c.Process.Signal(stop)
	var err error
	select {
	case err = <-ended:
	case <-time.After(startTime):
		_ = c.Process.Kill()
		err = errors.Join(errors.New("did not end when it was told to"), <-ended)
	}
	if !polite {
		return
	}
	printed, _ := os.ReadFile(log)
	if at := bytes.Index(printed, []byte("WARNING: DATA RACE")); at >= 0 {
		t.Errorf("%s: %.4000s", c.Path, printed[at:])
	}
	if err != nil || bytes.Contains(printed, []byte("panic")) {
		t.Errorf("%s: %v\n%s", c.Path, err, tail(printed))
	}
}

// softEnds serves what the server at base does, but where that one drops the
// connection the reply ends as if it were whole. This is what a proxy or a load
// balancer on the way makes of a broken upstream, and what no SDK notices by itself.
func softEnds(t *testing.T, base string) string {
	t.Helper()
	target, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			body, _ := io.ReadAll(r.In.Body) // an upstream that drops a request half sent would cost the reply's beginning too
			r.Out.Body = io.NopCloser(bytes.NewReader(body))
		},
		FlushInterval: -1,
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		ModifyResponse: func(r *http.Response) error {
			r.Header.Del("Content-Length")
			r.Body, r.ContentLength = softBody{r.Body}, -1
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

// softBody ends where its source fails.
type softBody struct{ io.ReadCloser }

// Read implements io.Reader.
func (b softBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	var dropped *net.OpError
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &dropped) {
		err = io.EOF
	}
	return n, err
}
