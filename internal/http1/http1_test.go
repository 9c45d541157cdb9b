package http1

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func post(t testing.TB, rt http.RoundTripper, ctx context.Context, url, body string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Body = &Body{Bytes: []byte(body)}
	r.Header.Set("X-Test", "yes")
	return rt.RoundTrip(r)
}

func TestRoundTrip(t *testing.T) {
	var connections atomic.Int64
	up := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %d %s", r.Method, r.URL.RequestURI(), r.Header.Get("X-Test"), len(b), r.Host)
	}))
	up.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	up.Start()
	defer up.Close()
	tr := &Transport{}
	defer tr.CloseIdleConnections()
	for _, size := range []int{0, 1, smallBody, smallBody + 1, 1 << 20} {
		resp, err := post(t, tr, t.Context(), up.URL+"/a?b=c", strings.Repeat("x", size))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		want := fmt.Sprintf("POST /a?b=c yes %d %s", size, strings.TrimPrefix(up.URL, "http://"))
		if err != nil || string(got) != want {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
		resp.Body.Close()
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections for requests one after another", n)
	}
}

func TestStaleConnectionIsNotUsed(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }))
	defer up.Close()
	tr := &Transport{}
	defer tr.CloseIdleConnections()
	for range 5 {
		resp, err := post(t, tr, t.Context(), up.URL, "x")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		up.CloseClientConnections()
		time.Sleep(5 * time.Millisecond)
	}
}

func TestDialErrorSaysThatNothingWasSent(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	_, err = post(t, &Transport{}, t.Context(), "http://"+ln.Addr().String(), "x")
	if dial := new(DialError); !errors.As(err, &dial) {
		t.Fatalf("got %v, want a DialError", err)
	}
}

// TestCancel: the end of the context frees a caller at once, before the head and within the body, and its cause is what the caller sees.
func TestCancel(t *testing.T) {
	gone := errors.New("the client has gone")
	release := make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			fmt.Fprint(w, "first")
			w.(http.Flusher).Flush()
		}
		<-release
	}))
	defer up.Close()
	defer close(release)
	for _, path := range []string{"/head", "/body"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(50*time.Millisecond, func() { cancel(gone) })
		resp, err := post(t, &Transport{}, ctx, up.URL+path, "x")
		if err == nil {
			_, err = io.ReadAll(resp.Body)
		}
		if !errors.Is(err, gone) {
			t.Errorf("%s: got %v, want the cause", path, err)
		}
	}
}

func TestCutBodyIsAnError(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer up.Close()
	resp, err := post(t, &Transport{}, t.Context(), up.URL, "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("got %v, want an unexpected EOF", err)
	}
}

func TestConcurrent(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer up.Close()
	tr := &Transport{}
	defer tr.CloseIdleConnections()
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 50 {
				body := fmt.Sprint(g, i)
				resp, err := post(t, tr, t.Context(), up.URL, body)
				if err != nil {
					t.Error(err)
					return
				}
				if got, _ := io.ReadAll(resp.Body); string(got) != body {
					t.Errorf("got %q, want %q", got, body)
				}
			}
		})
	}
	wg.Wait()
}

func benchmark(b *testing.B, rt http.RoundTripper) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(bytes.Repeat([]byte("x"), 1000))
	}))
	defer up.Close()
	body := strings.Repeat("x", 300)
	b.ReportAllocs()
	for b.Loop() {
		resp, err := post(b, rt, context.Background(), up.URL, body)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

func BenchmarkTransport(b *testing.B) {
	tr := &Transport{}
	defer tr.CloseIdleConnections()
	benchmark(b, tr)
}

func BenchmarkNetHTTP(b *testing.B) {
	tr := &http.Transport{DisableCompression: true}
	defer tr.CloseIdleConnections()
	benchmark(b, tr)
}
