//go:build !linux

package http1

import "net"

// alive cannot be told without reading; a closed connection shows in the write or the reply.
func alive(net.Conn) bool { return true }
