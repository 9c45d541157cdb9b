package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// canned is a provider that answers every request with the same bytes, so that a
// benchmark measures the gateway.
func canned(b *testing.B) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ln.Close() })
	answer := func(body, content string) []byte {
		return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", content, len(body), body)
	}
	usage := `"usage":{"prompt_tokens":75,"completion_tokens":50,"total_tokens":125,"prompt_tokens_details":{"cached_tokens":0}}`
	plain := answer(`{"id":"chatcmpl-1","object":"chat.completion","model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":{"role":"assistant","content":"`+
		strings.Repeat("every word of it ", 40)+`"},"finish_reason":"stop"}],`+usage+`}`, "application/json")
	events := strings.Repeat(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}],"usage":null}`+"\n\n", 50)
	streamed := answer(events+`data: {"choices":[],`+usage+"}\n\ndata: [DONE]\n\n", "text/event-stream")
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for br := bufio.NewReader(conn); ; {
					r, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					body, _ := io.ReadAll(r.Body)
					out := plain
					if strings.Contains(string(body), `"stream":true`) {
						out = streamed
					}
					if _, err := conn.Write(out); err != nil {
						return
					}
				}
			}()
		}
	}()
	return "http://" + ln.Addr().String() + "/v1"
}

// BenchmarkGateway is the whole way of a request, with journal and store, over
// loopback. The profile of it (make pgo) is what the build is optimised by.
func BenchmarkGateway(b *testing.B) {
	addr, key := started(b, fmt.Sprintf("providers:\n  - {name: openai, kind: openai, base_url: %q, api_keys: [sk-bench]}\n", canned(b)))
	for _, c := range []struct {
		name  string
		bytes int
		extra string
	}{{"small", 300, ""}, {"large", 100 << 10, ""}, {"stream", 300, `,"stream":true,"stream_options":{"include_usage":true}`}} {
		b.Run(c.name, func(b *testing.B) {
			body := `{"model":"gpt-4o-mini","temperature":0.2,"max_tokens":256,"messages":[{"role":"user","content":"` + strings.Repeat("count these words ", c.bytes/18) + `"}]` + c.extra + `}`
			request := fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", key, len(body), body)
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(p *testing.PB) {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					b.Error(err)
					return
				}
				defer conn.Close()
				br := bufio.NewReader(conn)
				for p.Next() {
					if err := exchange(conn, br, request); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func exchange(conn net.Conn, br *bufio.Reader, request []byte) error {
	if _, err := conn.Write(request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
