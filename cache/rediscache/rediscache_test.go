package rediscache

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/generic-corp/halfpenny/cache"
	"github.com/generic-corp/halfpenny/internal/breaker"
	"github.com/generic-corp/halfpenny/llm"
)

var keyer = cache.NewKeyer([]byte("secret"))

func keyOf(tenant, request string) cache.Key { return keyer.Key(tenant, []byte(request)) }

func reply(text string, ttl time.Duration) *cache.Entry {
	return &cache.Entry{
		Stored: time.Now().UTC().Round(0), TTL: ttl, Status: 200, ContentType: "application/json", Body: []byte(text),
		Provider: "openai", Model: "gpt-5-mini", Served: "gpt-5-mini-2025-08-07",
		Usage: llm.Usage{Input: 12, Output: 34, Fees: []llm.Fee{{Name: "web_search", Count: 1, Rate: 5}}}, Cost: llm.Known(56),
	}
}

// replica returns a Store with an empty memory of its own.
func replica(client redis.UniversalClient, prefix string) *Store {
	return New(Options{Client: client, Prefix: prefix, Keyer: keyer, Local: cache.NewMemory(cache.MemoryOptions{}), Log: slog.New(slog.DiscardHandler)})
}

// realRedis returns what makes replicas on the Redis at 127.0.0.1:6379, under a
// prefix of their own.
func realRedis(t *testing.T) (fresh func() *Store, client redis.UniversalClient) {
	t.Helper()
	client = redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	if err := client.Ping(t.Context()).Err(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("no Redis at 127.0.0.1:6379: %v", err)
		}
		t.Skipf("no Redis at 127.0.0.1:6379: %v", err)
	}
	prefix := fmt.Sprintf("hp_test_rediscache:%d:%d:", os.Getpid(), time.Now().UnixNano())
	t.Cleanup(func() {
		ctx := context.Background()
		keys := client.Scan(ctx, 0, prefix+"*", 1000).Iterator()
		for keys.Next(ctx) {
			client.Del(ctx, keys.Val())
		}
	})
	return func() *Store {
		s := replica(client, prefix)
		s.timeout = 10 * time.Second // what is found here must not depend on the machine's speed
		return s
	}, client
}

// shortTimeouts returns a client as cmd makes it, for a server that may fail.
func shortTimeouts(t *testing.T, addr string) redis.UniversalClient {
	client := redis.NewClient(&redis.Options{
		Addr: addr, ContextTimeoutEnabled: true, DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, MaxRetries: -1,
	})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func expect(t *testing.T, s *Store, key cache.Key, want *cache.Entry) {
	t.Helper()
	got, ok := s.Get(t.Context(), key)
	if ok != (want != nil) || ok && !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, ok, want)
	}
}

// One replica's reply is the other's hit, whole, and from then on without Redis.
func TestReplicasShareReplies(t *testing.T) {
	fresh, client := realRedis(t)
	one, two := fresh(), fresh()
	key, want := keyOf("a", "x"), reply(`{"text":"the answer"}`, time.Hour)
	expect(t, one, key, nil)
	one.Put(t.Context(), key, want)
	expect(t, one, key, want)
	expect(t, two, key, want)
	expect(t, two, keyOf("b", "x"), nil) // another tenant's same request
	expect(t, two, keyOf("a", "y"), nil)
	if err := client.Del(t.Context(), one.name(key)).Err(); err != nil {
		t.Fatal(err)
	}
	expect(t, two, key, want)
	expect(t, fresh(), key, nil)
	if why := one.Degraded() + two.Degraded(); why != "" {
		t.Error(why)
	}
}

// Redis sees neither the reply, nor the model, nor the tenant, and lets the value go in time.
func TestWhatLiesInRedis(t *testing.T) {
	fresh, client := realRedis(t)
	s := fresh()
	key := keyOf("tenant-a", "x")
	s.Put(t.Context(), key, reply(strings.Repeat("the answer ", 100), time.Minute))
	names, err := client.Keys(t.Context(), s.o.Prefix+"*").Result()
	if err != nil || len(names) != 1 || names[0] != s.o.Prefix+"cache:"+key.String() {
		t.Fatalf("keys %q, %v", names, err)
	}
	value, err := client.Get(t.Context(), names[0]).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"answer", "gpt", "openai", "json", "tenant-a"} {
		if bytes.Contains(value, []byte(secret)) || strings.Contains(names[0], secret) {
			t.Errorf("%q can be read", secret)
		}
	}
	if left := client.PTTL(t.Context(), names[0]).Val(); left <= 50*time.Second || left > time.Minute {
		t.Errorf("the value stays for %v", left)
	}
}

// A reply is served no longer than its TTL from when it was stored, whenever it was put.
func TestTTL(t *testing.T) {
	fresh, client := realRedis(t)
	key := keyOf("a", "x")
	old := reply("old", time.Minute)
	old.Stored = old.Stored.Add(-30 * time.Second)
	s := fresh()
	s.Put(t.Context(), key, old)
	if left := client.PTTL(t.Context(), s.name(key)).Val(); left <= 20*time.Second || left > 30*time.Second {
		t.Errorf("the value stays for %v", left)
	}
	expect(t, fresh(), key, old)

	brief := reply("brief", 150*time.Millisecond)
	s.Put(t.Context(), key, brief)
	expect(t, s, key, brief)
	client.Persist(t.Context(), s.name(key)) // Redis would keep it
	time.Sleep(160 * time.Millisecond)
	expect(t, s, key, nil)
	expect(t, fresh(), key, nil)
}

// What cannot be kept takes away what was there.
func TestPutEndsWhatWas(t *testing.T) {
	fresh, client := realRedis(t)
	key := keyOf("a", "x")
	f := func(what string, e *cache.Entry) {
		t.Helper()
		s := fresh()
		s.Put(t.Context(), key, reply("before", time.Hour))
		s.Put(t.Context(), key, e)
		expect(t, s, key, nil)
		expect(t, fresh(), key, nil)
		if n := client.Exists(t.Context(), s.name(key)).Val(); n != 0 {
			t.Errorf("%s: the value stays", what)
		}
	}
	over := reply("over", time.Minute)
	over.Stored = over.Stored.Add(-time.Hour)
	f("not fresh", over)
	f("too large", reply(strings.Repeat("x", DefaultMaxValue), time.Hour))

	s, large := fresh(), reply(strings.Repeat("x", DefaultMaxValue-1000), time.Hour)
	s.Put(t.Context(), key, large)
	expect(t, fresh(), key, large)
}

// Anything but a value of ours under its own key is a miss, and does no harm.
func TestForeignValues(t *testing.T) {
	fresh, client := realRedis(t)
	key, ctx := keyOf("a", "x"), t.Context()
	s := fresh()
	s.Put(ctx, key, reply("the answer", time.Hour))
	ours, err := client.Get(ctx, s.name(key)).Result()
	if err != nil {
		t.Fatal(err)
	}
	f := func(what, value string) {
		t.Helper()
		client.Set(ctx, s.name(key), value, time.Hour)
		if got, ok := fresh().Get(ctx, key); ok {
			t.Errorf("%s: got %+v", what, got)
		}
	}
	f("empty", "")
	f("a text", "hello")
	f("cut", ours[:len(ours)-1])
	f("with more", ours+"x")
	f("damaged", "x"+ours[1:])
	f("too large, although ours", string(keyer.Seal(key, reply(strings.Repeat("x", DefaultMaxValue), time.Hour).Append(nil))))
	f("endless", strings.Repeat("x", 2*DefaultMaxValue))
	f("another version", string(keyer.Seal(key, []byte{99})))
	f("sealed nothing", string(keyer.Seal(key, nil)))
	f("another secret's", string(cache.NewKeyer([]byte("other")).Seal(key, reply("x", time.Hour).Append(nil))))
	f("in clear", string(reply("x", time.Hour).Append(nil)))

	other := keyOf("b", "x") // one tenant's value, moved to another's key
	client.Set(ctx, s.name(other), ours, time.Hour)
	expect(t, fresh(), other, nil)

	client.Del(ctx, s.name(key))
	client.LPush(ctx, s.name(key), "a list")
	lists := fresh()
	for range 2 * breaker.Trip {
		expect(t, lists, key, nil)
	}
	if why := lists.Degraded(); why != "" {
		t.Error(why)
	}
	want := reply("anew", time.Hour)
	lists.Put(ctx, key, want)
	expect(t, fresh(), key, want)
}

// Many replicas at once put and get what belongs together.
func TestConcurrently(t *testing.T) {
	fresh, _ := realRedis(t)
	stores := []*Store{fresh(), fresh()}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			s := stores[worker%2]
			for i := range 100 {
				text := fmt.Sprint((i + worker) % 10)
				key := keyOf("a", text)
				if e, ok := s.Get(context.Background(), key); ok && string(e.Body) != text {
					t.Errorf("request %s has %q", text, e.Body)
				}
				s.Put(context.Background(), key, reply(text, time.Hour))
			}
		})
	}
	wg.Wait()
	for i := range 10 {
		if e, ok := fresh().Get(t.Context(), keyOf("a", fmt.Sprint(i))); !ok || string(e.Body) != fmt.Sprint(i) {
			t.Errorf("request %d has %+v, %v", i, e, ok)
		}
	}
}

// Without Redis the process's own memory goes on, and /ready can say so.
func TestOutage(t *testing.T) {
	server := miniredis.RunT(t)
	s := replica(shortTimeouts(t, server.Addr()), "t:")
	before, during := reply("before", time.Hour), reply("during", time.Hour)
	s.Put(t.Context(), keyOf("a", "before"), before)
	server.Close()
	began := time.Now()
	s.Put(t.Context(), keyOf("a", "during"), during)
	for range 200 {
		expect(t, s, keyOf("a", "before"), before)
		expect(t, s, keyOf("a", "during"), during)
		expect(t, s, keyOf("a", "never"), nil)
		s.Put(t.Context(), keyOf("a", "during"), during)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("an outage held 800 calls up for %v", took)
	}
	if s.Degraded() == "" {
		t.Error("the outage is not said")
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(breaker.Rest + 50*time.Millisecond)
	expect(t, s, keyOf("a", "never"), nil)
	s.Put(t.Context(), keyOf("a", "after"), during)
	if why := s.Degraded(); why != "" {
		t.Error(why)
	}
	expect(t, replica(s.o.Client, "t:"), keyOf("a", "after"), during)
}

// A Redis that only refuses writes goes on answering.
func TestFullRedis(t *testing.T) {
	server := miniredis.RunT(t)
	client := shortTimeouts(t, server.Addr())
	want := reply("the answer", time.Hour)
	replica(client, "t:").Put(t.Context(), keyOf("a", "x"), want)
	s := replica(full{client}, "t:")
	for range 2 * breaker.Trip {
		s.Put(t.Context(), keyOf("a", "y"), want)
	}
	if why := s.Degraded(); !strings.Contains(why, "does not take") {
		t.Errorf("degraded: %q", why)
	}
	expect(t, s, keyOf("a", "x"), want)
}

// full is a client whose server has no room.
type full struct{ redis.UniversalClient }

func (full) Set(ctx context.Context, _ string, _ any, _ time.Duration) *redis.StatusCmd {
	cmd := redis.NewStatusCmd(ctx)
	cmd.SetErr(fmt.Errorf("OOM command not allowed when used memory > 'maxmemory'"))
	return cmd
}

// A Redis that hangs costs a tenth of a second a call, and only until the breaker trips.
func TestHangingRedis(t *testing.T) {
	hole, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hole.Close() }()
	s := replica(shortTimeouts(t, hole.Addr().String()), "t:")
	want := reply("the answer", time.Hour)
	began := time.Now()
	for range 50 {
		expect(t, s, keyOf("a", "never"), nil)
		s.Put(t.Context(), keyOf("a", "x"), want)
		expect(t, s, keyOf("a", "x"), want)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("150 calls took %v", took)
	}
}

// A caller that leaves says nothing of Redis.
func TestLeavingCallerDoesNotTrip(t *testing.T) {
	server := miniredis.RunT(t)
	s := replica(shortTimeouts(t, server.Addr()), "t:")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 * breaker.Trip {
		if _, ok := s.Get(gone, keyOf("a", "x")); ok {
			t.Error("a hit out of nothing")
		}
		s.Put(gone, keyOf("a", "y"), reply("y", time.Hour))
	}
	if why := s.Degraded(); why != "" {
		t.Error(why)
	}
}

func BenchmarkGet(b *testing.B) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", ContextTimeoutEnabled: true})
	defer func() { _ = client.Close() }()
	if err := client.Ping(b.Context()).Err(); err != nil {
		b.Skipf("no Redis at 127.0.0.1:6379: %v", err)
	}
	s := New(Options{
		Client: client, Prefix: fmt.Sprintf("hp_test_rediscache:%d:", os.Getpid()), Keyer: keyer,
		Local: cache.NewMemory(cache.MemoryOptions{MaxBytes: -1}), Log: slog.New(slog.DiscardHandler), // Redis alone
	})
	key := keyOf("a", "x")
	s.Put(b.Context(), key, reply(strings.Repeat("x", 4<<10), time.Hour))
	defer client.Del(context.Background(), s.name(key))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := s.Get(b.Context(), key); !ok {
			b.Fatal("a miss")
		}
	}
}
