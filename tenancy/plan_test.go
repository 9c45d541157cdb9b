package tenancy

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/tenancy/fields"
)

func TestPlanPolicy(t *testing.T) {
	f := func(plan string, perHour int64) {
		t.Helper()
		p, ok := PlanPolicy(plan)
		if !ok {
			t.Fatalf("plan %s is missing", plan)
		}
		got := int64(0)
		if p.Limits.RequestsPerHour != nil {
			got = *p.Limits.RequestsPerHour
		}
		if got != perHour {
			t.Errorf("%s: %d requests an hour, want %d", plan, got, perHour)
		}
	}
	f("free", 1000)
	f("starter", 1000)
	f("growth", 10000)
	f("enterprise", 0)
	if _, ok := PlanPolicy("gold"); ok {
		t.Error("an unknown plan has a policy")
	}
}

// The JSON of a policy is the contract's: every key there, lists and objects never null.
func TestPolicyJSON(t *testing.T) {
	p, _ := PlanPolicy("starter")
	p, err := MergePolicy(p, []byte(`{"routing":{"mode":"optimize","qualityFloor":0.95},"budgets":{"monthUsd":100.00}}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"routing":{"mode":"optimize","qualityFloor":0.95,"maxCostUsd":null,"allowModels":[],"denyModels":[],"preferredProviders":[],"unpriced":"serve","regions":[],"holdout":0,"maxWaitMs":null},` +
		`"limits":{"requestsPerHour":1000,"requestsPerMinute":null,"tokensPerMinute":null,"concurrency":null},` +
		`"budgets":{"monthUsd":100,"dayUsd":null,"tagMonthUsd":{},"timezone":"UTC","atLimit":"block","capOutput":false},"cache":{"enabled":false,"ttlSeconds":3600},"storePrompts":false}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestMergePolicyNamesTheWrongField(t *testing.T) {
	f := func(document, field string) {
		t.Helper()
		base, _ := PlanPolicy("free")
		_, err := MergePolicy(base, []byte(document))
		var wrong *fields.Error
		if !errors.As(err, &wrong) || wrong.Field != field {
			t.Errorf("%s: got %v, want field %q", document, err, field)
		}
	}
	f(`[]`, "")
	f(`{"routing":7}`, "routing")
	f(`{"route":{}}`, "route")
	f(`{"routing":{"mode":"cheapest"}}`, "routing.mode")
	f(`{"routing":{"mode":""}}`, "routing.mode")
	f(`{"routing":{"qualityFloor":"high"}}`, "routing.qualityFloor")
	f(`{"routing":{"qualityFloor":1.01}}`, "routing.qualityFloor")
	f(`{"routing":{"maxCostUsd":-0.01}}`, "routing.maxCostUsd")
	f(`{"routing":{"allowModels":"gpt-5"}}`, "routing.allowModels")
	f(`{"routing":{"unpriced":"maybe"}}`, "routing.unpriced")
	f(`{"routing":{"regions":"eu"}}`, "routing.regions")
	f(`{"routing":{"holdout":0.51}}`, "routing.holdout")
	f(`{"routing":{"holdout":-0.1}}`, "routing.holdout")
	f(`{"routing":{"holdout":"0.1"}}`, "routing.holdout")
	f(`{"limits":{"requestsPerHour":0}}`, "limits.requestsPerHour")
	f(`{"limits":{"concurrency":1.5}}`, "limits.concurrency")
	f(`{"limits":{"perHour":5}}`, "limits.perHour")
	f(`{"budgets":{"monthUsd":1000000001}}`, "budgets.monthUsd")
	f(`{"budgets":{"dayUsd":0.0000000001}}`, "budgets.dayUsd")
	f(`{"budgets":{"tagMonthUsd":[]}}`, "budgets.tagMonthUsd")
	f(`{"budgets":{"tagMonthUsd":{"team":5}}}`, "budgets.tagMonthUsd.team")
	f(`{"budgets":{"tagMonthUsd":{"team=x":"5"}}}`, "budgets.tagMonthUsd.team=x")
	f(`{"budgets":{"timezone":"Mars/Olympus"}}`, "budgets.timezone")
	f(`{"budgets":{"timezone":"Local"}}`, "budgets.timezone")
	f(`{"budgets":{"atLimit":"shrug"}}`, "budgets.atLimit")
	f(`{"storePrompts":"yes"}`, "storePrompts")
}

func TestMergePolicyNullIsThePlansDefault(t *testing.T) {
	base, _ := PlanPolicy("starter")
	p, err := MergePolicy(base, []byte(`{"limits":{"requestsPerHour":null},"budgets":null,"storePrompts":true}`))
	if err != nil || *p.Limits.RequestsPerHour != 1000 || p.Budgets.Timezone != "UTC" || !p.StorePrompts {
		t.Errorf("got %+v, %v", p, err)
	}
	if base.StorePrompts {
		t.Error("the base was changed")
	}
}

func TestMergePolicyLeavesTheBase(t *testing.T) {
	base, _ := PlanPolicy("starter")
	if _, err := MergePolicy(base, []byte(`{"limits":{"requestsPerHour":5},"budgets":{"tagMonthUsd":{"a=b":1}},"routing":{"denyModels":["x"]}}`)); err != nil {
		t.Fatal(err)
	}
	if *base.Limits.RequestsPerHour != 1000 || len(base.Budgets.TagMonthUSD) != 0 || len(base.Routing.DenyModels) != 0 {
		t.Errorf("the base was changed: %+v", base)
	}
}

// RFC 7396, appendix A, as far as both sides are objects.
func TestMergeDocument(t *testing.T) {
	f := func(target, patch, want string) {
		t.Helper()
		got, err := mergeDocument([]byte(target), []byte(patch))
		if err != nil || string(got) != want {
			t.Errorf("%s + %s: got %s, %v; want %s", target, patch, got, err, want)
		}
	}
	f(`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`)
	f(`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`)
	f(`{"a":"b"}`, `{"a":null}`, `{}`)
	f(`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`)
	f(`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`)
	f(`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`)
	f(`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`)
	f(`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`)
	f(`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`)
	f(``, `{"m":100.123456789}`, `{"m":100.123456789}`)
}

// Merging documents and then laying the result over the plan is the same as
// laying each over the plan in turn, as long as nothing is taken back.
func TestMergeIsAssociative(t *testing.T) {
	document := rapid.Custom(func(t *rapid.T) string {
		parts := []string{}
		if rapid.Bool().Draw(t, "mode") {
			parts = append(parts, `"routing":{"mode":"`+rapid.SampledFrom([]string{"pinned", "observe"}).Draw(t, "m")+`"}`)
		}
		if rapid.Bool().Draw(t, "month") {
			parts = append(parts, `"budgets":{"monthUsd":`+llm.Money(rapid.Int64Range(0, int64(llm.MaxMoney)).Draw(t, "usd")).String()+`}`)
		}
		if rapid.Bool().Draw(t, "tags") {
			parts = append(parts, `"budgets":{"tagMonthUsd":{"team=`+rapid.SampledFrom([]string{"a", "b"}).Draw(t, "tag")+`":1}}`)
		}
		return "{" + strings.Join(parts[:min(len(parts), 1)], ",") + "}"
	})
	rapid.Check(t, func(t *rapid.T) {
		base, _ := PlanPolicy("growth")
		first, second := document.Draw(t, "first"), document.Draw(t, "second")
		step, err := MergePolicy(base, []byte(first))
		if err != nil {
			t.Fatal(err)
		}
		if step, err = MergePolicy(step, []byte(second)); err != nil {
			t.Fatal(err)
		}
		merged, err := mergeDocument([]byte(first), []byte(second))
		if err != nil {
			t.Fatal(err)
		}
		once, err := MergePolicy(base, merged)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := json.Marshal(step)
		b, _ := json.Marshal(once)
		if string(a) != string(b) {
			t.Fatalf("%s then %s: %s, merged %s", first, second, a, b)
		}
	})
}

func FuzzMergePolicy(f *testing.F) {
	f.Add(`{"routing":{"mode":"pinned"},"budgets":{"monthUsd":1.5,"tagMonthUsd":{"a=b":null}}}`)
	f.Fuzz(func(t *testing.T, document string) {
		base, _ := PlanPolicy("free")
		if _, err := MergePolicy(base, []byte(document)); err != nil {
			return
		}
		merged, err := mergeDocument(nil, []byte(document))
		if err != nil {
			t.Fatalf("%q passed but cannot be merged: %v", document, err)
		}
		if _, err := MergePolicy(base, merged); err != nil {
			t.Fatalf("%q merged to %q, which fails: %v", document, merged, err)
		}
	})
}
