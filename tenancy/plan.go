package tenancy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // budgets.timezone must mean the same on every machine

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/tenancy/fields"
)

// Plans are the plan tiers, cheapest first.
var Plans = []string{"free", "starter", "growth", "enterprise"}

// DefaultPlan is the plan of a tenant that names none.
const DefaultPlan = "free"

// PlanPolicy returns the policy of a tenant that has decided nothing; ok is false
// if there is no such plan. The mode is empty and the quality floor 0: both are
// then the installation's (routing.default_mode, routing.quality_floor).
func PlanPolicy(plan string) (p Policy, ok bool) {
	if !slices.Contains(Plans, plan) {
		return Policy{}, false
	}
	return Policy{
		Routing: RoutingPolicy{AllowModels: []string{}, DenyModels: []string{}, PreferredProviders: []string{}, Unpriced: "serve", Regions: []string{}},
		Limits:  Limits{RequestsPerHour: planRequests(plan)},
		Budgets: Budgets{TagMonthUSD: map[string]llm.Money{}, Timezone: "UTC", AtLimit: "block"},
		Cache:   CachePolicy{TTLSeconds: 3600},
	}, true
}

func planRequests(plan string) *int64 {
	var perHour int64
	switch plan {
	case "enterprise":
		return nil
	case "growth":
		perHour = 10_000
	default:
		perHour = 1_000
	}
	return &perHour
}

// MergePolicy returns base with a policy document laid over it as RFC 7396 says:
// what is absent or null stays as base has it. Base is not changed. A member that
// is unknown, of the wrong type or out of bounds is a *fields.Error that names it.
func MergePolicy(base Policy, document []byte) (Policy, error) {
	p := base
	p.Budgets.TagMonthUSD = make(map[string]llm.Money, len(base.Budgets.TagMonthUSD))
	for tag, cap := range base.Budgets.TagMonthUSD {
		p.Budgets.TagMonthUSD[tag] = cap
	}
	err := fields.Object("", document, map[string]fields.Setter{
		"routing":      fields.Nested(routingFields(&p.Routing)),
		"limits":       fields.Nested(limitFields(&p.Limits)),
		"budgets":      fields.Nested(budgetFields(&p.Budgets)),
		"cache":        fields.Nested(cacheFields(&p.Cache)),
		"storePrompts": fields.Bool(&p.StorePrompts),
	})
	if err != nil {
		return Policy{}, err
	}
	return p, nil
}

func routingFields(r *RoutingPolicy) map[string]fields.Setter {
	return map[string]fields.Setter{
		"mode":               fields.OneOf(&r.Mode, llm.ModePinned.String(), llm.ModeObserve.String(), llm.ModeOptimize.String()),
		"qualityFloor":       fields.Share(&r.QualityFloor),
		"maxCostUsd":         fields.NullMoney(&r.MaxCostUSD),
		"allowModels":        fields.Strings(&r.AllowModels),
		"denyModels":         fields.Strings(&r.DenyModels),
		"preferredProviders": fields.Strings(&r.PreferredProviders),
		"unpriced":           fields.OneOf(&r.Unpriced, "serve", "refuse"),
		"regions":            fields.Strings(&r.Regions),
		"holdout":            fields.Number(&r.Holdout, 0, 0.5),
		"maxWaitMs":          wait(&r.MaxWaitMs),
	}
}

// wait reads milliseconds, up to ten minutes.
func wait(dst **int64) fields.Setter {
	return func(raw []byte) error {
		var n int64
		if err := fields.Int(&n, 0, 600_000)(raw); err != nil {
			return err
		}
		*dst = &n
		return nil
	}
}

func cacheFields(c *CachePolicy) map[string]fields.Setter {
	return map[string]fields.Setter{
		"enabled":    fields.Bool(&c.Enabled),
		"ttlSeconds": fields.Int(&c.TTLSeconds, 1, 604_800),
	}
}

func limitFields(l *Limits) map[string]fields.Setter {
	return map[string]fields.Setter{
		"requestsPerHour":   limit(&l.RequestsPerHour),
		"requestsPerMinute": limit(&l.RequestsPerMinute),
		"tokensPerMinute":   limit(&l.TokensPerMinute),
		"concurrency":       limit(&l.Concurrency),
	}
}

// limit refuses 0, which would read as "nothing" here and as "no limit" in a Limiter.
func limit(dst **int64) fields.Setter {
	return func(raw []byte) error {
		var n int64
		if err := fields.Int(&n, 1, 1_000_000_000_000)(raw); err != nil {
			return err
		}
		*dst = &n
		return nil
	}
}

func budgetFields(b *Budgets) map[string]fields.Setter {
	return map[string]fields.Setter{
		"monthUsd":    fields.NullMoney(&b.MonthUSD),
		"dayUsd":      fields.NullMoney(&b.DayUSD),
		"tagMonthUsd": tagCaps(b.TagMonthUSD),
		"timezone":    timezone(&b.Timezone),
		"atLimit":     fields.OneOf(&b.AtLimit, "block", "cheaper", "cap_tokens"),
		"capOutput":   fields.Bool(&b.CapOutput),
	}
}

// tagCaps reads caps by tag into dst; a tag is written key=value.
func tagCaps(dst map[string]llm.Money) fields.Setter {
	return func(raw []byte) error {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(raw, &members); err != nil {
			return fmt.Errorf("must be an object of amounts by tag")
		}
		setters := make(map[string]fields.Setter, len(members))
		for tag := range members {
			setters[tag] = tagCap(dst, tag)
		}
		return fields.Object("", raw, setters)
	}
}

func tagCap(dst map[string]llm.Money, tag string) fields.Setter {
	return func(raw []byte) error {
		key, value, found := strings.Cut(tag, "=")
		if !found || key == "" || value == "" || len(tag) > 128 || strings.Contains(tag, ",") {
			return fmt.Errorf("must be a tag written key=value")
		}
		var m llm.Money
		if err := fields.Money(&m)(raw); err != nil {
			return err
		}
		dst[tag] = m
		return nil
	}
}

func timezone(dst *string) fields.Setter {
	return func(raw []byte) error {
		var name string
		if err := fields.String(&name, 64)(raw); err != nil {
			return err
		}
		if _, err := time.LoadLocation(name); err != nil || name == "" || name == "Local" {
			return fmt.Errorf("must be the name of a time zone, such as Europe/Berlin")
		}
		*dst = name
		return nil
	}
}

// mergeDocument returns target with patch applied as RFC 7396 says: objects are
// merged member by member, null removes, anything else replaces. Both are JSON
// objects; an empty target is {}.
func mergeDocument(target, patch []byte) ([]byte, error) {
	merged := map[string]any{}
	if len(target) > 0 {
		if err := decodeExact(target, &merged); err != nil {
			return nil, fmt.Errorf("cannot read the stored policy: %w", err)
		}
	}
	var changes map[string]any
	if err := decodeExact(patch, &changes); err != nil {
		return nil, fmt.Errorf("cannot read the policy patch: %w", err)
	}
	return json.Marshal(mergeObject(merged, changes))
}

// decodeExact keeps numbers as text, so that no amount passes through a float.
func decodeExact(document []byte, into any) error {
	d := json.NewDecoder(strings.NewReader(string(document)))
	d.UseNumber()
	return d.Decode(into)
}

func mergeObject(target, patch map[string]any) map[string]any {
	if target == nil {
		target = map[string]any{}
	}
	for name, change := range patch {
		switch change := change.(type) {
		case nil:
			delete(target, name)
		case map[string]any:
			below, _ := target[name].(map[string]any)
			target[name] = mergeObject(below, change)
		default:
			target[name] = change
		}
	}
	return target
}
