package tenancy

import "github.com/generic-corp/halfpenny/llm"

// Policy is what a tenant, within its plan, has decided (§5.3 of the contract).
type Policy struct {
	Routing      RoutingPolicy `json:"routing"`
	Limits       Limits        `json:"limits"`
	Budgets      Budgets       `json:"budgets"`
	Cache        CachePolicy   `json:"cache"`
	StorePrompts bool          `json:"storePrompts"`
}

// CachePolicy says whether exact repeats are answered from the cache.
type CachePolicy struct {
	Enabled    bool  `json:"enabled"`
	TTLSeconds int64 `json:"ttlSeconds"` // how long a reply is kept
}

// RoutingPolicy bounds what the router may choose.
type RoutingPolicy struct {
	Mode               string        `json:"mode"` // pinned, observe, optimize; empty: routing.default_mode
	QualityFloor       float64       `json:"qualityFloor"`
	MaxCostUSD         llm.NullMoney `json:"maxCostUsd"` // per call
	AllowModels        []string      `json:"allowModels"`
	DenyModels         []string      `json:"denyModels"`
	PreferredProviders []string      `json:"preferredProviders"`
	Unpriced           string        `json:"unpriced"` // serve, refuse
	Regions            []string      `json:"regions"`  // of accounts; "eu" allows eu-west-1; empty: any
	// Holdout is the share of the requests that mode optimize would have served by
	// another model which are served as asked, to measure what that saves; at most 0.5.
	Holdout float64 `json:"holdout"`
	// MaxWaitMs is how long a call may wait for a target whose rate limits are reached; nil:
	// as long as the call says, else routing.max_wait.
	MaxWaitMs *int64 `json:"maxWaitMs"`
}

// Limits are rates; nil means no limit.
type Limits struct {
	RequestsPerHour   *int64 `json:"requestsPerHour"`
	RequestsPerMinute *int64 `json:"requestsPerMinute"`
	TokensPerMinute   *int64 `json:"tokensPerMinute"`
	Concurrency       *int64 `json:"concurrency"`
}

// Budgets are caps on spend.
type Budgets struct {
	MonthUSD    llm.NullMoney        `json:"monthUsd"`
	DayUSD      llm.NullMoney        `json:"dayUsd"`
	TagMonthUSD map[string]llm.Money `json:"tagMonthUsd"`
	Timezone    string               `json:"timezone"`
	AtLimit     string               `json:"atLimit"` // block, cheaper, cap_tokens
	CapOutput   bool                 `json:"capOutput"`
}
