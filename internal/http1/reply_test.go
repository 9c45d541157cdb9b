package http1

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

func read(s string, oneByte bool) (*http.Response, string, *bufio.Reader, error) {
	var r io.Reader = strings.NewReader(s)
	if oneByte {
		r = iotest.OneByteReader(r)
	}
	br := bufio.NewReaderSize(r, readerSize)
	resp, err := readReply(br, nil)
	if err != nil {
		return nil, "", br, err
	}
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), br, err
}

func TestReadReply(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		for _, oneByte := range []bool{false, true} {
			resp, body, _, err := read(in, oneByte)
			got := ""
			if resp != nil {
				got = fmt.Sprintf("%d %v %q close=%v", resp.StatusCode, resp.Header, body, resp.Close)
			}
			if err != nil {
				got += " ! " + err.Error()
			}
			if strings.TrimSpace(got) != want {
				t.Errorf("%q\n got %s\nwant %s", in, got, want)
			}
		}
	}
	f("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", `200 map[Content-Length:[2]] "hi" close=false`)
	f("HTTP/1.1 200\r\ncontent-length:0\r\nx-a: 1\r\nX-A:2 \r\n\r\n", `200 map[Content-Length:[0] X-A:[1 2]] "" close=false`)
	f("HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", `200 map[Content-Length:[2]] "hi" close=false`)
	f("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", `204 map[] "" close=false`)
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1\r\n!\r\n0\r\nX-T: 1\r\n\r\n", `200 map[Transfer-Encoding:[chunked]] "hi!" close=false`)
	f("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", `200 map[Connection:[close]] "until the end" close=true`)
	f("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", `200 map[Content-Length:[1]] "x" close=true`)
	f("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", `200 map[Connection:[keep-alive] Content-Length:[1]] "x" close=false`)
	f("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", `200 map[Content-Length:[5]] "hi" close=false ! unexpected EOF`)
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi", `200 map[Transfer-Encoding:[chunked]] "hi" close=false ! unexpected EOF`)
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n", `200 map[Transfer-Encoding:[chunked]] "hi" close=false ! cannot read the trailers: unexpected EOF`)
	f("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", `! the reply's length is ambiguous`)
	f("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n", `! the reply's length is ambiguous`)
	f("HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n", `! the reply's length is ambiguous`)
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", `! the reply's length is ambiguous`)
	f("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", `! the reply's head is not HTTP/1.1`)
	f("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", `! the reply's head is not HTTP/1.1`)
	f("HTTP/2 200 OK\r\n\r\n", `! the reply's head is not HTTP/1.1`)
	f("HTTP/1.1 20 OK\r\n\r\n", `! the reply's head is not HTTP/1.1`)
	f("HTTP/1.1 200 OK\r\nA: "+strings.Repeat("x", readerSize)+"\r\n\r\n", `! the reply's head is larger than 32 KiB`)
	f("HTTP/1.1 200 OK\r\nA: b", `! unexpected EOF`)
	f("", `! EOF`)
}

// FuzzReadReply holds the reader against net/http's: what it accepts net/http
// accepts too, with the same status, body and rest of the stream.
func FuzzReadReply(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1", true)
	f.Add("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n2\r\nhi\r\n0\r\n\r\nrest", false)
	f.Add("HTTP/1.0 404 Not Found\r\nConnection: keep-alive\r\n\r\nall", false)
	f.Fuzz(func(t *testing.T, in string, oneByte bool) {
		resp, body, rest, err := read(in, oneByte)
		if err != nil || strings.HasPrefix(in, "HTTP/1.1 1") {
			return
		}
		br := bufio.NewReader(strings.NewReader(in))
		want, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", in, err)
		}
		wantBody, err := io.ReadAll(want.Body)
		left, _ := io.ReadAll(rest)
		wantLeft, _ := io.ReadAll(br)
		if err != nil || resp.StatusCode != want.StatusCode || body != string(wantBody) || string(left) != string(wantLeft) {
			t.Fatalf("%q\n got %d %q, left %q\nwant %d %q, left %q, %v", in, resp.StatusCode, body, left, want.StatusCode, wantBody, wantLeft, err)
		}
		if resp.Close != want.Close && want.ContentLength >= 0 {
			t.Fatalf("%q: close %v, want %v", in, resp.Close, want.Close)
		}
	})
}
