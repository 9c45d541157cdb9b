package provider

import (
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

func TestSameDialectTouchesTheModelAlone(t *testing.T) {
	f := func(body, send, want string) {
		t.Helper()
		members, err := jsonscan.Members(nil, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		c := Call{Send: send, Named: gjson.Get(body, "model").String()}
		for _, m := range members {
			switch string(m.Name) {
			case "model":
				c.Model = m
			case "models":
				c.Drop = append(c.Drop, m)
			}
		}
		got, err := (&same{call: c}).Request(nil, []byte(body))
		if err != nil || string(got) != want {
			t.Errorf("%s: %v\n got %s\nwant %s", body, err, got, want)
		}
	}
	f(`{"model":"a", "x" : [1]}`, "a", `{"model":"a", "x" : [1]}`)
	f(`{ "x":1, "model" :"a" , "messages":[]}`, "b-\"2", `{ "x":1, "model" :"b-\"2" , "messages":[]}`)
	f(`{"model":"a","models":["b"],"x":1}`, "b", `{"model":"b","x":1}`)

	tr := &same{}
	if !tr.Untouched() {
		t.Error("replies are touched")
	}
	for _, pass := range []func(dst, src []byte) ([]byte, error){tr.Reply, tr.Event} {
		const src = "event: ping\r\ndata: {\"type\": \"ping\"}\r\n\r\n"
		if got, err := pass([]byte("x"), []byte(src)); err != nil || string(got) != "x"+src {
			t.Errorf("%q, %v", got, err)
		}
	}
}
