package provider

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/generic-corp/halfpenny/internal/http1"
	"github.com/generic-corp/halfpenny/llm"
)

func bedrockAt(t *testing.T, base string) *bedrockAdapter {
	t.Helper()
	a, err := newBedrock(base)
	if err != nil {
		t.Fatal(err)
	}
	return a.(*bedrockAdapter)
}

// TestSignAWS holds the signature against AWS's own test suite (get-vanilla-query-order-key-case,
// post-vanilla and post-x-www-form-urlencoded):
// https://docs.aws.amazon.com/general/latest/gr/signature-v4-test-suite.html
func TestSignAWS(t *testing.T) {
	f := func(method, address, kind, body, headers, want string) {
		t.Helper()
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{Method: method, URL: u, Host: u.Host, Header: http.Header{"X-Other": {"a"}}, Body: &http1.Body{Bytes: []byte(body)}}
		if kind != "" {
			r.Header["Content-Type"] = []string{kind}
		}
		c := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
		if err := signAWS(r, &c, "service", "us-east-1", time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)); err != nil {
			t.Fatal(err)
		}
		want = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=" + headers + ", Signature=" + want
		if got := r.Header.Get("Authorization"); got != want || r.Header.Get("X-Amz-Date") != "20150830T123600Z" {
			t.Errorf("%s %s:\n got %s\nwant %s", method, address, got, want)
		}
	}
	f("GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1", "", "", "host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500")
	f("POST", "https://example.amazonaws.com/", "", "", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b")
	f("POST", "https://example.amazonaws.com/", "application/x-www-form-urlencoded", "Param1=value1", "content-type;host;x-amz-date", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a")
}

func TestBedrockPrepare(t *testing.T) {
	const base = "https://bedrock-runtime.eu-west-1.amazonaws.com"
	f := func(base, secret string, to Destination, address, authorization string) {
		t.Helper()
		a := bedrockAt(t, base)
		a.now = func() time.Time { return time.Unix(0, 0) }
		to.Secret, to.Endpoint = secret, llm.EndpointChat
		r := &http.Request{Method: "POST", Header: http.Header{"Content-Type": {"application/json"}}, Body: &http1.Body{Bytes: []byte("{}")}}
		if err := a.Prepare(r, to); err != nil {
			t.Error(err)
			return
		}
		if got := r.URL.String(); got != address || r.Host != r.URL.Host {
			t.Errorf("%s, want %s", got, address)
		}
		if got := r.Header.Get("Authorization"); !strings.HasPrefix(got, authorization) || authorization == "" && got != "" {
			t.Errorf("%s, want %s", got, authorization)
		}
		if token := r.Header.Get("X-Amz-Security-Token"); (token == "T:T") != strings.HasSuffix(secret, ":T:T") {
			t.Errorf("session token %q", token)
		}
	}
	const signed = "AWS4-HMAC-SHA256 Credential=AKIA1/19700101/eu-west-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date"
	f(base, "k", Destination{Dialect: llm.DialectBedrock, Model: "amazon.nova-micro-v1:0"}, base+"/model/amazon.nova-micro-v1%3A0/converse", "Bearer k")
	f(base+"/", "", Destination{Dialect: llm.DialectBedrock, Model: "a", Stream: true}, base+"/model/a/converse-stream", "")
	f(base, "AKIA1:s", Destination{Dialect: llm.DialectAnthropic, Model: "a"}, base+"/model/a/invoke", signed+", ")
	f(base, "AKIA1:s:T:T", Destination{Dialect: llm.DialectAnthropic, Model: "a", Stream: true}, base+"/model/a/invoke-with-response-stream", signed+";x-amz-security-token, ")
	f("http://127.0.0.1:1/b", "k", Destination{Dialect: llm.DialectBedrock, Model: "arn:aws:x/y"}, "http://127.0.0.1:1/b/model/arn%3Aaws%3Ax%2Fy/converse", "Bearer k")
	f(base, "k", Destination{Path: "/model/a%3A0/converse"}, base+"/model/a%3A0/converse", "Bearer k")

	a := bedrockAt(t, "http://127.0.0.1:1")
	if err := a.Prepare(&http.Request{Header: http.Header{}}, Destination{Endpoint: llm.EndpointChat, Dialect: llm.DialectBedrock, Model: "a", Secret: "AKIA1:s"}); err == nil {
		t.Error("signed for no region")
	}
	if err := a.Prepare(&http.Request{Header: http.Header{}}, Destination{Endpoint: llm.EndpointEmbeddings, Dialect: llm.DialectBedrock, Model: "a"}); err == nil {
		t.Error("prepared embeddings")
	}
}

func TestBedrockRegion(t *testing.T) {
	for host, want := range map[string]string{
		"bedrock-runtime.us-west-2.amazonaws.com": "us-west-2", "bedrock-runtime-fips.us-east-1.amazonaws.com": "us-east-1",
		"vpce-1.bedrock-runtime.ap-south-1.vpce.amazonaws.com": "ap-south-1", "bedrock-runtime.cn-north-1.amazonaws.com.cn": "cn-north-1",
		"localhost": "", "bedrock-runtime": "", "": "",
	} {
		if got := bedrockRegion(host); got != want {
			t.Errorf("%s is in %q, want %q", host, got, want)
		}
	}
}

func TestBedrockDialect(t *testing.T) {
	a := bedrockAt(t, "https://bedrock-runtime.us-east-1.amazonaws.com")
	const claude, nova = "eu.anthropic.claude-opus-4-6-v1", "amazon.nova-micro-v1:0"
	f := func(e llm.Endpoint, model string, caller, want llm.Dialect) {
		t.Helper()
		if got := a.Dialect(e, model, caller); got != want {
			t.Errorf("%s for %s of %s is %s, want %s", model, caller, e, got, want)
		}
	}
	f(llm.EndpointChat, claude, llm.DialectAnthropic, llm.DialectAnthropic)
	f(llm.EndpointChat, claude, llm.DialectOpenAI, llm.DialectBedrock)
	f(llm.EndpointChat, nova, llm.DialectAnthropic, llm.DialectBedrock)
	f(llm.EndpointEmbeddings, claude, llm.DialectAnthropic, llm.DialectNone)

	honours := func(model, field string, want bool) {
		t.Helper()
		d := a.Fields(model)
		if d.Honoured.Has(field) != want || want && d.Refused.Has(field) {
			t.Errorf("%s honours %s: %v", model, field, !want)
		}
	}
	honours(claude, "reasoning_effort", true)
	honours(claude, "top_k", true)
	honours(nova, "reasoning_effort", false)
	honours(nova, "top_k", true)
	honours("meta.llama3-8b-instruct-v1:0", "top_k", false)
	honours("meta.llama3-8b-instruct-v1:0", "tools", true)
	honours(claude, "seed", false)

	passed := func(path string, want Passed, ok bool) {
		t.Helper()
		if p, is := a.Passed(path); is != ok || ok && p != want {
			t.Errorf("%s is %+v, %v", path, p, is)
		}
	}
	passed("/model/a%3A0/converse", Passed{Endpoint: llm.EndpointChat, Dialect: llm.DialectBedrock, Model: "a:0"}, true)
	passed("/model/a:0/invoke-with-response-stream", Passed{Endpoint: llm.EndpointChat, Dialect: llm.DialectBedrock, Model: "a:0", Stream: true}, true)
	passed("/model/amazon.titan-embed-text-v2:0/invoke", Passed{Endpoint: llm.EndpointEmbeddings, Dialect: llm.DialectBedrock, Model: "amazon.titan-embed-text-v2:0"}, true)
	passed("/model/a/count-tokens", Passed{}, false)
	passed("/model//converse", Passed{}, false)
	passed("/async-invoke", Passed{}, false)
}

func TestBedrockEditBody(t *testing.T) {
	a := bedrockAt(t, "https://bedrock-runtime.us-east-1.amazonaws.com")
	f := func(body, want string, beta ...string) {
		t.Helper()
		h := http.Header{"Anthropic-Version": {"2023-06-01"}, "Anthropic-Beta": beta}
		got, err := a.EditBody(Destination{Dialect: llm.DialectAnthropic}, h, []byte(body))
		if err != nil || string(got) != want {
			t.Errorf("%s becomes %s, %v, want %s", body, got, err, want)
		}
		if h.Get("Anthropic-Version") != "" || h.Get("Anthropic-Beta") != "" {
			t.Errorf("the header is %v", h)
		}
	}
	const version = `"anthropic_version":"bedrock-2023-05-31"`
	f(`{"model":"m","max_tokens":1,"stream":true}`, `{`+version+`,"max_tokens":1}`)
	f(`{ "a": {"model":1} , "model":"m"}`, `{`+version+`,"a": {"model":1}}`)
	f(`{}`, `{`+version+`}`)
	f(`{"anthropic_version":"x","service_tier":"auto"}`, `{`+version+`}`)
	f(`{"max_tokens":1}`, `{`+version+`,"anthropic_beta":["a","b","c"],"max_tokens":1}`, "a, b", "c")
	if _, err := a.EditBody(Destination{Dialect: llm.DialectAnthropic}, http.Header{}, []byte(`{`)); err == nil {
		t.Error("no error about what is not JSON")
	}
	same := []byte(`{"model":"m"}`)
	if got, err := a.EditBody(Destination{Dialect: llm.DialectBedrock}, http.Header{}, same); err != nil || string(got) != string(same) {
		t.Errorf("Converse's becomes %s, %v", got, err)
	}
}

func TestInvokeEvent(t *testing.T) {
	f := func(payload, want string, fails bool) {
		t.Helper()
		if got, err := invokeEvent([]byte(payload)); string(got) != want || (err != nil) != fails {
			t.Errorf("%s is %q, %v, want %q", payload, got, err, want)
		}
	}
	chunk := func(event string) string {
		return `{"bytes":"` + base64.StdEncoding.EncodeToString([]byte(event)) + `","p":"abc"}`
	}
	f(chunk(`{"type":"message_stop"}`), "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", false)
	f(chunk("{\"a\":1,\n\"type\":\"x\"}"), "event: x\ndata: {\"a\":1, \"type\":\"x\"}\n\n", false)
	f(chunk(`{"a":1}`), "data: {\"a\":1}\n\n", false)
	f(chunk(`{"type":"a\nb"}`), "data: {\"type\":\"a\\nb\"}\n\n", false)
	f(`{"p":"abc"}`, "", false)
	f(`{"bytes":"!"}`, "", true)
	f(chunk(`[`), "", true)
	f(`[]`, "", true)
}
