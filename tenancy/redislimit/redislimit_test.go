package redislimit

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/generic-corp/halfpenny/internal/breaker"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// realRedis returns a limiter on the Redis at 127.0.0.1:6379, with a prefix of its own.
func realRedis(t *testing.T) (*Limiter, redis.UniversalClient) {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})
	t.Cleanup(func() { _ = client.Close() })
	if err := client.Ping(t.Context()).Err(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("no Redis at 127.0.0.1:6379: %v", err)
		}
		t.Skipf("no Redis at 127.0.0.1:6379: %v", err)
	}
	l := New(client, prefix(t, client), quiet())
	l.timeout = 10 * time.Second // what is counted here must not depend on the machine's speed
	return l, client
}

func prefix(t *testing.T, client redis.UniversalClient) string {
	p := fmt.Sprintf("hp_test_redislimit:%d:%d:", os.Getpid(), time.Now().UnixNano())
	t.Cleanup(func() {
		ctx := context.Background()
		keys := client.Scan(ctx, 0, p+"*", 1000).Iterator()
		for keys.Next(ctx) {
			client.Del(ctx, keys.Val())
		}
	})
	return p
}

func TestTakeCountsAWindow(t *testing.T) {
	l, client := realRedis(t)
	f := func(limit int64, allowed bool, remaining int64) {
		t.Helper()
		q, err := l.Take(t.Context(), "a", limit)
		if err != nil || q.Allowed != allowed || q.Remaining != remaining || q.Limit != limit || q.Reset <= 59*time.Minute || q.Reset > time.Hour {
			t.Errorf("got %+v, %v; want allowed %v, remaining %d", q, err, allowed, remaining)
		}
	}
	f(2, true, 1)
	f(2, true, 0)
	for range 5 { // a refused request consumes nothing
		f(2, false, 0)
	}
	f(3, true, 0)
	if q, _ := l.Take(t.Context(), "a", 0); !q.Allowed {
		t.Error("no limit refuses")
	}
	if q, _ := l.Peek(t.Context(), "a", 5); !q.Allowed || q.Remaining != 2 {
		t.Errorf("peek: %+v", q)
	}
	if q, _ := l.Peek(t.Context(), "b", 5); !q.Allowed || q.Remaining != 5 {
		t.Errorf("peek: %+v", q)
	}
	if used := client.Get(t.Context(), l.key("a")).Val(); used != "3" {
		t.Errorf("the counter is %s", used)
	}
	if why := l.Degraded(); why != "" {
		t.Error(why)
	}
}

// The window ends by itself, and a counter without an end is begun anew.
func TestWindowEnds(t *testing.T) {
	l, client := realRedis(t)
	take := func() bool {
		q, _ := l.Take(t.Context(), "a", 1)
		return q.Allowed
	}
	if !take() || take() {
		t.Fatal("a limit of one does not hold")
	}
	client.PExpire(t.Context(), l.key("a"), time.Millisecond)
	time.Sleep(10 * time.Millisecond)
	if !take() || take() {
		t.Fatal("the second window does not hold")
	}
	client.Persist(t.Context(), l.key("a"))
	if !take() || take() {
		t.Fatal("a counter without an end stays")
	}
}

// Two replicas share the limit, and together pass exactly that many.
func TestReplicasShareTheLimit(t *testing.T) {
	one, client := realRedis(t)
	two := New(client, one.prefix, quiet())
	two.timeout = one.timeout
	var passed atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		l := []*Limiter{one, two}[i%2]
		wg.Go(func() {
			for range 50 {
				if q, _ := l.Take(context.Background(), "a", 100); q.Allowed {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if passed.Load() != 100 {
		t.Errorf("%d passed, want 100", passed.Load())
	}
}

// Without Redis requests go on, counted here, and /ready can say so.
func TestOutage(t *testing.T) {
	server := miniredis.RunT(t)
	client, err := Open("redis://" + server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	l := New(client, "t:", quiet())
	take := func(want bool) {
		t.Helper()
		if q, err := l.Take(t.Context(), "a", 3); err != nil || q.Allowed != want {
			t.Errorf("got %+v, %v; want allowed %v", q, err, want)
		}
	}
	take(true)
	server.Close()
	began := time.Now()
	for range 3 {
		take(true)
	}
	if l.Degraded() == "" {
		t.Error("the outage is not said")
	}
	for range 200 {
		take(false) // the in-process limit binds too
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("an outage held 203 requests up for %v", took)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(breaker.Rest + 50*time.Millisecond)
	take(true)
	if why := l.Degraded(); why != "" {
		t.Error(why)
	}
}

// A Redis that hangs costs a tenth of a second a call, and only until the breaker trips.
func TestHangingRedis(t *testing.T) {
	hole, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hole.Close() }()
	client, err := Open("redis://" + hole.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	l := New(client, "t:", quiet())
	began := time.Now()
	for range 50 {
		if q, err := l.Take(t.Context(), "a", 100); err != nil || !q.Allowed {
			t.Fatalf("got %+v, %v", q, err)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("50 calls took %v", took)
	}
}

// The probe finds out about both ends of an outage while nobody calls.
func TestRunProbes(t *testing.T) {
	server := miniredis.RunT(t)
	client, err := Open("redis://" + server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	l := New(client, "t:", quiet())
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(ctx) })
	until := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(5 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what)
			}
		}
	}
	server.Close()
	until("the outage is not seen", func() bool { return l.Degraded() != "" })
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	until("the end of the outage is not seen", func() bool { return l.Degraded() == "" })
	stop()
	wg.Wait()
}

// A caller that leaves says nothing of Redis.
func TestLeavingCallerDoesNotTrip(t *testing.T) {
	server := miniredis.RunT(t)
	client, err := Open("redis://" + server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	l := New(client, "t:", quiet())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		_, _ = l.Take(gone, "a", 100)
	}
	if why := l.Degraded(); why != "" {
		t.Error(why)
	}
}

func TestOpenNamesTheFault(t *testing.T) {
	if _, err := Open("http://x"); err == nil {
		t.Error("a wrong scheme passes")
	}
}
