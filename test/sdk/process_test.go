package sdk

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
)

// softEnds serves what the server at base does, but where that one drops the
// connection the reply ends as if it were whole. This is what a proxy or a load
// balancer on the way makes of a broken upstream, and what no SDK notices by itself.
func softEnds(t *testing.T, base string) string {
	t.Helper()
	target, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			body, _ := io.ReadAll(r.In.Body) // an upstream that drops a request half sent would cost the reply's beginning too
			r.Out.Body = io.NopCloser(bytes.NewReader(body))
		},
		FlushInterval: -1,
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		ModifyResponse: func(r *http.Response) error {
			r.Header.Del("Content-Length")
			r.Body, r.ContentLength = softBody{r.Body}, -1
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

// softBody ends where its source fails.
type softBody struct{ io.ReadCloser }

// Read implements io.Reader.
func (b softBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	var dropped *net.OpError
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &dropped) {
		err = io.EOF
	}
	return n, err
}
