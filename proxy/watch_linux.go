package proxy

import (
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// watchAfter is how long a call runs before its client is watched: most are over by then.
const watchAfter = 40 * time.Millisecond

// watcher notices that the client of a call has gone, while nobody reads from its
// connection: the runtime's poller reports the hang-up (POLLRDHUP), no byte is read.
type watcher struct {
	conn  net.Conn
	gone  func()
	timer *time.Timer

	mu      sync.Mutex
	stopped bool
	done    chan struct{} // closed when the poll has ended; nil: it has not begun
}

// watch calls gone once the client of conn has gone. The watcher must be stopped
// before the connection is read again.
func watch(conn net.Conn, gone func()) *watcher {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn()
	}
	w := &watcher{conn: conn, gone: gone}
	w.timer = time.AfterFunc(watchAfter, w.run)
	return w
}

func (w *watcher) run() {
	sc, ok := w.conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	w.mu.Lock()
	if w.stopped {
		w.mu.Unlock()
		return
	}
	w.done = make(chan struct{})
	_ = w.conn.SetReadDeadline(time.Time{}) // ends that of the request's own reading; before stop sets one to wake the poll
	w.mu.Unlock()
	defer close(w.done)
	hup := false
	_ = raw.Read(func(fd uintptr) bool {
		p := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, _ := unix.Poll(p[:], 0)
		hup = n > 0 && p[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
		return hup
	})
	if hup {
		w.gone()
	}
}

// stop ends the watch and waits for its end. It may be called more than once.
func (w *watcher) stop() {
	if w.timer.Stop() {
		return
	}
	w.mu.Lock()
	first := !w.stopped
	w.stopped = true
	done := w.done
	w.mu.Unlock()
	if done == nil || !first {
		return
	}
	_ = w.conn.SetReadDeadline(time.Unix(1, 0)) // wakes the poll
	<-done
	_ = w.conn.SetReadDeadline(time.Time{})
}
