package drill

import (
	"io"
	"net"
	"sync"
	"testing"
)

// link is a wire between the gateway and something that it needs, which a drill can cut.
type link struct {
	listener net.Listener
	target   string
	wg       sync.WaitGroup

	mu      sync.Mutex
	open    chan struct{} // closed while bytes pass
	severed bool
	wires   map[*wire]bool
}

// wire is one connection and its other half.
type wire struct {
	client, server net.Conn
	dead           chan struct{}
	once           sync.Once
}

// connect starts a link to a TCP address.
func connect(t *testing.T, target string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	l := &link{listener: listener, target: target, open: make(chan struct{}), wires: map[*wire]bool{}}
	close(l.open)
	l.wg.Go(l.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		l.sever()
		l.wg.Wait()
	})
	return l
}

func (l *link) address() string { return l.listener.Addr().String() }

// sever closes all connections, and new ones as soon as they come. What was on the way is lost.
func (l *link) sever() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.severed = true
	for w := range l.wires {
		w.close()
	}
}

// hold keeps connections up, but what the gateway sends does not arrive.
func (l *link) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = make(chan struct{})
}

// repair undoes sever and hold.
func (l *link) repair() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.severed = false
	select {
	case <-l.open:
	default:
		close(l.open)
	}
}

func (l *link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.wg.Go(func() { l.serve(client) })
	}
}

func (l *link) serve(client net.Conn) {
	server, err := net.Dial("tcp", l.target)
	if err != nil {
		_ = client.Close()
		return
	}
	w := &wire{client: client, server: server, dead: make(chan struct{})}
	defer w.close()
	l.mu.Lock()
	l.wires[w] = true
	severed := l.severed
	l.mu.Unlock()
	if severed {
		return
	}
	l.wg.Go(func() {
		defer w.close()
		_, _ = io.Copy(client, server)
	})
	l.up(w)
	l.mu.Lock()
	delete(l.wires, w)
	l.mu.Unlock()
}

// up carries what the gateway sends.
func (l *link) up(w *wire) {
	buf := make([]byte, 32<<10)
	for {
		n, err := w.client.Read(buf)
		if err != nil {
			return
		}
		l.mu.Lock()
		open := l.open
		l.mu.Unlock()
		select {
		case <-open:
		case <-w.dead:
			return
		}
		if _, err := w.server.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (w *wire) close() {
	w.once.Do(func() {
		close(w.dead)
		_ = w.client.Close()
		_ = w.server.Close()
	})
}
