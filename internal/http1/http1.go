// Package http1 is an HTTP/1.1 client transport for plain-text upstreams: a pool
// of connections, one write per request and a lean reader for the reply. It spends
// no goroutine and no channel on a connection, which is most of what net/http's
// Transport costs on a local upstream.
package http1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// DialError says that no connection could be made: certainly no byte was sent.
type DialError struct{ Err error }

// Error returns the cause with its context.
func (e *DialError) Error() string { return fmt.Sprintf("cannot connect: %v", e.Err) }

// Unwrap returns the cause.
func (e *DialError) Unwrap() error { return e.Err }

// Transport is an http.RoundTripper for http:// URLs. The zero value is ready.
// A request's body must have a known length. It is safe for concurrent use.
type Transport struct {
	// MaxIdle bounds the idle connections kept per host; 0: 512.
	MaxIdle int
	// IdleTimeout closes connections that have been idle for longer; 0: 60 s.
	IdleTimeout time.Duration
	// DialTimeout bounds the making of a connection; 0: 10 s.
	DialTimeout time.Duration

	mu   sync.Mutex
	idle map[string][]*conn // by host:port, most recently used last
}

var _ http.RoundTripper = (*Transport)(nil)

// conn is one connection with its reader.
type conn struct {
	net.Conn
	br    *bufio.Reader
	host  string
	since time.Time // idle since
}

const readerSize = 32 << 10

// freshFor is how long an idle connection is taken for alive without a look.
const freshFor = 5 * time.Millisecond

// aLongTimeAgo makes every pending and future read or write on a connection fail.
var aLongTimeAgo = time.Unix(1, 0)

// RoundTrip sends r and returns the reply once its head is there. The caller
// must close the reply's body; a body read to its end gives the connection back
// to the pool. When r's context ends, pending reads and writes fail with its cause.
// A *DialError means that nothing was sent. The write is repeated on a new
// connection only when it failed on a pooled one.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	body, err := bodyBytes(r)
	if err != nil {
		return nil, err
	}
	head := headPool.Get().(*[]byte)
	defer headPool.Put(head)
	*head = appendHead((*head)[:0], r, len(body))
	for {
		c, pooled, err := t.get(ctx, hostPort(r.URL.Host))
		if err != nil {
			return nil, &DialError{Err: err}
		}
		x := &exchange{t: t, c: c}
		x.stop = context.AfterFunc(ctx, x.cancel)
		if err := write(c, *head, body); err != nil {
			x.end(false)
			if pooled && ctx.Err() == nil {
				continue
			}
			return nil, cause(ctx, fmt.Errorf("cannot send the request: %w", err))
		}
		resp, err := readReply(c.br, r)
		if err != nil {
			x.end(false)
			return nil, cause(ctx, fmt.Errorf("cannot read the reply: %w", err))
		}
		x.ctx, x.body, x.keep = ctx, resp.Body, !resp.Close
		resp.Body = x
		return resp, nil
	}
}

func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	return err
}

// exchange is a reply's body and the end of its connection's use.
type exchange struct {
	t    *Transport
	c    *conn
	ctx  context.Context
	body io.ReadCloser
	stop func() bool
	once sync.Once
	keep bool
}

func (x *exchange) cancel() { _ = x.c.SetDeadline(aLongTimeAgo) }

// Read reads the body; at its end the connection is free for the next request.
func (x *exchange) Read(p []byte) (int, error) {
	n, err := x.body.Read(p)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		x.end(x.keep)
		return n, io.EOF
	default:
		x.end(false)
		return n, cause(x.ctx, err)
	}
}

// Close ends the exchange; a body that was not read to its end closes the connection.
func (x *exchange) Close() error {
	x.end(false)
	return nil
}

func (x *exchange) end(keep bool) {
	x.once.Do(func() {
		live := x.stop() // false: the context has ended and the deadline may be set at any time
		if keep && live {
			x.t.put(x.c)
		} else {
			_ = x.c.Close()
		}
	})
}

func (t *Transport) get(ctx context.Context, host string) (c *conn, pooled bool, err error) {
	now := time.Now()
	for {
		c := t.pop(host)
		if c == nil {
			break
		}
		if idle := now.Sub(c.since); idle < freshFor || idle < orDefault(t.IdleTimeout, time.Minute) && alive(c.Conn) {
			return c, true, nil
		}
		_ = c.Close()
	}
	d := net.Dialer{Timeout: orDefault(t.DialTimeout, 10*time.Second)}
	nc, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, false, cause(ctx, err)
	}
	return &conn{Conn: nc, br: bufio.NewReaderSize(nc, readerSize), host: host}, false, nil
}

func (t *Transport) pop(host string) *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.idle[host]
	if len(list) == 0 {
		return nil
	}
	c := list[len(list)-1]
	list[len(list)-1] = nil
	t.idle[host] = list[:len(list)-1]
	return c
}

func (t *Transport) put(c *conn) {
	limit := t.MaxIdle
	if limit == 0 {
		limit = 512
	}
	c.since = time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.idle == nil {
		t.idle = map[string][]*conn{}
	}
	if len(t.idle[c.host]) >= limit || c.br.Buffered() > 0 {
		_ = c.Close()
		return
	}
	t.idle[c.host] = append(t.idle[c.host], c)
}

// CloseIdleConnections closes the connections that are not in use.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, list := range t.idle {
		for _, c := range list {
			_ = c.Close()
		}
	}
	t.idle = nil
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

func hostPort(host string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(host, "80")
}

var headPool = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// Body is a request body that RoundTrip sends without copying it.
type Body struct {
	Bytes []byte
	off   int
}

// Read reads the bytes; RoundTrip itself does not use it.
func (b *Body) Read(p []byte) (int, error) {
	if b.off == len(b.Bytes) {
		return 0, io.EOF
	}
	n := copy(p, b.Bytes[b.off:])
	b.off += n
	return n, nil
}

// Close does nothing.
func (b *Body) Close() error { return nil }

func bodyBytes(r *http.Request) ([]byte, error) {
	switch b := r.Body.(type) {
	case nil:
		return nil, nil
	case *Body:
		return b.Bytes, nil
	default:
		defer b.Close()
		all, err := io.ReadAll(b)
		if err != nil {
			return nil, fmt.Errorf("cannot read the request's body: %w", err)
		}
		return all, nil
	}
}

func appendHead(dst []byte, r *http.Request, length int) []byte {
	dst = append(append(append(dst, r.Method...), ' '), r.URL.RequestURI()...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	dst = append(append(dst, host...), "\r\n"...)
	for name, values := range r.Header {
		for _, v := range values {
			dst = append(append(append(append(dst, name...), ": "...), v...), "\r\n"...)
		}
	}
	if length > 0 || r.Method == http.MethodPost {
		dst = strconv.AppendInt(append(dst, "Content-Length: "...), int64(length), 10)
		dst = append(dst, "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// smallBody is the size up to which head and body leave in one write.
const smallBody = 2 << 10

func write(c *conn, head, body []byte) error {
	if len(body) <= smallBody {
		_, err := c.Write(append(head, body...))
		return err
	}
	buffers := net.Buffers{head, body}
	_, err := buffers.WriteTo(c.Conn)
	return err
}
