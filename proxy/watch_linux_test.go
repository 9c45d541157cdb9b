package proxy

import (
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestWatchEndsWhenItBegins: a call that ends at the very moment at which the watch
// over its client begins is not held by it.
func TestWatchEndsWhenItBegins(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var all sync.WaitGroup
	for g := range 32 {
		client, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		server, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		all.Go(func() {
			for i := range 3000 {
				w := &watcher{conn: server, gone: func() { t.Error("the client is there") }}
				w.timer = time.AfterFunc(0, w.run)
				for range (g*7 + i) % 50 {
					runtime.Gosched()
				}
				w.stop()
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		all.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Fatal("a watch did not end")
	}
}
