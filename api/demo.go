package api

import (
	"net/netip"
	"sync"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

const (
	demoPerMinute    = 20      // estimates of one address
	maxDemoAddresses = 100_000 // remembered in one minute; others are refused
)

// demoEstimate needs no credentials, so it is limited by address.
func (a *API) demoEstimate(r *request) (any, error) {
	if wait := a.demo.take(a.clientOf(r.http), a.now()); wait > 0 {
		return nil, &llm.Error{Status: 429, Code: "rate_limit_exceeded", Message: "That was too many estimates in one minute.", RetryAfter: wait}
	}
	return a.estimateFor(r, nil, maxDemoTask)
}

// demoLimit counts by address in fixed minutes. The zero value is ready.
type demoLimit struct {
	mu   sync.Mutex
	ends time.Time
	used map[netip.Prefix]int
}

// take counts one estimate and returns 0, or how long to wait if the minute's are
// used up; those who are refused consume nothing.
func (l *demoLimit) take(client netip.Addr, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !now.Before(l.ends) {
		l.ends, l.used = now.Add(time.Minute), map[netip.Prefix]int{}
	}
	who := household(client)
	used, known := l.used[who]
	if used >= demoPerMinute || !known && len(l.used) >= maxDemoAddresses {
		return l.ends.Sub(now)
	}
	l.used[who] = used + 1
	return 0
}

// household is what one user of the net commands: an IPv4 address, or an IPv6 /64.
func household(client netip.Addr) netip.Prefix {
	bits := client.BitLen()
	if client.Is6() {
		bits = 64
	}
	p, _ := client.WithZone("").Prefix(bits)
	return p
}
