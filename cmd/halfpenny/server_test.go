package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"github.com/valyala/fasthttp"
)

// TestRequestsThatCannotBeRead: each gets its status in the dialect of its path.
func TestRequestsThatCannotBeRead(t *testing.T) {
	f := func(path string, cause error, status int, field, want string) {
		t.Helper()
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		var ctx fasthttp.RequestCtx
		ctx.Init2(near, quiet{}, false)
		ctx.Request.SetRequestURI(path)
		refuse(&ctx, cause)
		if body := ctx.Response.Body(); ctx.Response.StatusCode() != status || gjson.GetBytes(body, field).String() != want {
			t.Errorf("%s after %v: %d %s", path, cause, ctx.Response.StatusCode(), body)
		}
	}
	chat := "/v1/chat/completions"
	f(chat, fmt.Errorf("cannot read: %w", os.ErrDeadlineExceeded), 408, "error.type", "invalid_request_error")
	f(chat, fasthttp.ErrBodyTooLarge, 413, "error.code", "request_too_large")
	f("/v1/messages", fasthttp.ErrBodyTooLarge, 413, "error.type", "request_too_large")
	f(chat, &fasthttp.ErrSmallBuffer{}, 431, "error.type", "invalid_request_error")
	f(chat, errors.New("no HTTP"), 400, "error.type", "invalid_request_error")
	f("/v1beta/models/x:generateContent", errors.New("no HTTP"), 400, "error.status", "INVALID_ARGUMENT")
}

// TestLimitsOfARequest: what is too large is refused by the real server before it is read.
func TestLimitsOfARequest(t *testing.T) {
	addr, key := started(t, "")
	f := func(head string, status string) {
		t.Helper()
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+key+"\r\n"+head+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 12)
		if _, err := io.ReadFull(conn, answer); err != nil || !strings.HasSuffix(string(answer), status) {
			t.Errorf("%.40s: %s, %v", head, answer, err)
		}
	}
	f("Content-Length: 99999999", "413")
	f("X-Long: "+strings.Repeat("x", 20<<10), "431")
	f("Content-Length: many", "400")
}
