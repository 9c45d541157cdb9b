// Package redislimit counts requests in Redis, so that a limit per hour holds over
// any number of replicas. Without Redis it counts in its own process and says so.
package redislimit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/generic-corp/halfpenny/internal/breaker"
	"github.com/generic-corp/halfpenny/tenancy"
)

const timeout = 100 * time.Millisecond

// take counts a request unless the limit is reached: KEYS[1] the counter, ARGV the
// limit, the window in milliseconds, and 0 to look only. It answers {allowed, used,
// milliseconds until the window ends}; the clock is the server's. A counter
// without an end, which only a foreign hand can have made, is begun anew.
var take = redis.NewScript(`
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local left = redis.call('PTTL', KEYS[1])
if left < 0 then used = 0 left = tonumber(ARGV[2]) end
if used >= tonumber(ARGV[1]) then return {0, used, left} end
if ARGV[3] == '0' then return {1, used, left} end
if used == 0 then
  redis.call('SET', KEYS[1], 1, 'PX', ARGV[2])
  return {1, 1, tonumber(ARGV[2])}
end
return {1, redis.call('INCR', KEYS[1]), left}
`)

// Limiter counts in Redis. When Redis fails, it counts in its own process: a
// tenant can then have its limit once per replica, but no call waits. It is safe
// for concurrent use.
type Limiter struct {
	client  redis.UniversalClient
	prefix  string
	timeout time.Duration // of one call
	local   *tenancy.LocalLimiter
	log     *slog.Logger
	state   breaker.Breaker
}

var _ tenancy.Limiter = (*Limiter)(nil)

// Open returns a client for a redis:// or rediss:// URL, with the short timeouts
// that the limiter relies on. It does not connect yet.
func Open(url string) (redis.UniversalClient, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("cannot read the redis URL: %w", err)
	}
	options.ContextTimeoutEnabled = true
	options.DialTimeout = timeout
	options.ReadTimeout = timeout
	options.WriteTimeout = timeout
	options.MaxRetries = -1 // the breaker decides
	return redis.NewClient(options), nil
}

// New returns a limiter whose keys begin with prefix, which has no braces. The
// client's own timeouts should be short (see Open); the caller closes it.
func New(client redis.UniversalClient, prefix string, log *slog.Logger) *Limiter {
	return &Limiter{client: client, prefix: prefix, timeout: timeout, local: tenancy.NewLimiter(), log: log}
}

// Take counts one request of the tenant. It never fails: without Redis the
// in-process count decides.
func (l *Limiter) Take(ctx context.Context, tenantID string, limit int64) (tenancy.Quota, error) {
	return l.ask(ctx, tenantID, limit, 1, l.local.Take)
}

// Peek returns what Take would find, without counting anything.
func (l *Limiter) Peek(ctx context.Context, tenantID string, limit int64) (tenancy.Quota, error) {
	return l.ask(ctx, tenantID, limit, 0, l.local.Peek)
}

type counter func(ctx context.Context, tenantID string, limit int64) (tenancy.Quota, error)

func (l *Limiter) ask(ctx context.Context, tenantID string, limit int64, count int, fallback counter) (tenancy.Quota, error) {
	if limit <= 0 {
		return tenancy.Quota{Allowed: true}, nil
	}
	if !l.state.Tries(time.Now()) {
		return fallback(ctx, tenantID, limit)
	}
	q, err := l.run(ctx, tenantID, limit, count)
	l.note(ctx, err)
	if err == nil {
		return q, nil
	}
	return fallback(ctx, tenantID, limit)
}

func (l *Limiter) run(ctx context.Context, tenantID string, limit int64, count int) (tenancy.Quota, error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	answer, err := take.Run(ctx, l.client, []string{l.key(tenantID)}, limit, tenancy.Window.Milliseconds(), count).Int64Slice()
	if err != nil {
		return tenancy.Quota{}, fmt.Errorf("cannot count in redis: %w", err)
	}
	if len(answer) != 3 {
		return tenancy.Quota{}, errors.New("cannot count in redis: unexpected answer")
	}
	return tenancy.Quota{
		Allowed: answer[0] == 1, Limit: limit, Remaining: max(0, limit-answer[1]), Reset: time.Duration(answer[2]) * time.Millisecond,
	}, nil
}

// key holds the tenant in a hash tag, so that in a cluster all of a tenant's keys
// lie on one node.
func (l *Limiter) key(tenantID string) string { return l.prefix + "{" + tenantID + "}:rph" }

// Degraded says what is wrong with Redis, or nothing: "".
func (l *Limiter) Degraded() string {
	if l.state.Failing() {
		return "redis does not answer; request limits are counted in each process"
	}
	return ""
}

// Run asks Redis once a second whether it is there, until ctx ends, so that
// Degraded is right even while no request comes.
func (l *Limiter) Run(ctx context.Context) {
	tick := time.NewTicker(breaker.Rest)
	defer tick.Stop()
	for {
		l.probe(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (l *Limiter) probe(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	l.note(ctx, l.client.Ping(bounded).Err())
}

// note tells the breaker how a call went, and the log when that is news. A caller
// that left says nothing of Redis.
func (l *Limiter) note(ctx context.Context, err error) {
	switch {
	case err == nil:
		if l.state.Succeeded() {
			l.log.Info("redis answers again")
		}
	case ctx.Err() == nil:
		if l.state.Failed(time.Now()) {
			l.log.Error("redis does not answer; request limits are counted in each process", "error", err)
		}
	}
}
