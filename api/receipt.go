package api

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// receipt answers with one request of the caller's tenant.
func (a *API) receipt(r *request) (any, error) {
	stored, err := a.Receipts.Receipt(r.ctx, r.caller.Tenant.Slug, r.params["id"])
	if err != nil {
		return nil, err
	}
	return receiptOf(&stored), nil
}

// receiptJSON is a record in words. Every key is always there; what is unknown is null.
type receiptJSON struct {
	ID             string            `json:"id"`
	TenantID       string            `json:"tenantId"`
	Tenant         string            `json:"tenant"`
	KeyID          string            `json:"keyId"`
	Test           bool              `json:"test"`
	CreatedAt      *string           `json:"createdAt"`
	Endpoint       string            `json:"endpoint"`
	Dialect        string            `json:"dialect"`
	Mode           string            `json:"mode"`
	Stream         bool              `json:"stream"`
	RequestedModel string            `json:"requestedModel"`
	Task           *string           `json:"task"`
	Tags           map[string]string `json:"tags"`
	Provider       *string           `json:"provider"`
	Model          *string           `json:"model"`
	Reason         string            `json:"reason"`
	Status         *int              `json:"status"`
	Outcome        string            `json:"outcome"`
	Simulated      bool              `json:"simulated"`
	Done           bool              `json:"done"`

	Attempts       []attemptJSON   `json:"attempts"`
	UnsentAttempts []attemptJSON   `json:"unsentAttempts"`
	Candidates     []candidateJSON `json:"candidates"`
	Rejected       []rejectedJSON  `json:"rejected"`

	Usage         usageJSON         `json:"usage"`
	Prices        *pricesJSON       `json:"prices"`
	CostUSD       llm.NullMoney     `json:"costUsd"`
	CostStatus    string            `json:"costStatus"`
	BaselineUSD   llm.NullMoney     `json:"baselineUsd"`
	BaselineKind  string            `json:"baselineKind"`
	BaselineModel *string           `json:"baselineModel"`
	SavingsUSD    llm.NullMoney     `json:"savingsUsd"`
	Timings       timingsJSON       `json:"timings"`
	Substitution  *substitutionJSON `json:"substitution"`
	Seq           *int64            `json:"seq"`
	Hash          *string           `json:"hash"`
}

type attemptJSON struct {
	N               int           `json:"n"`
	Provider        string        `json:"provider"`
	Model           string        `json:"model"`
	SentModel       string        `json:"sentModel"`
	ServedModel     *string       `json:"servedModel"`
	StartedAt       *string       `json:"startedAt"`
	Status          *int          `json:"status"`
	Outcome         string        `json:"outcome"`
	Simulated       bool          `json:"simulated"`
	LatencyMs       millis        `json:"latencyMs"`
	FirstByteMs     *millis       `json:"firstByteMs"`
	Usage           usageJSON     `json:"usage"`
	Prices          *pricesJSON   `json:"prices"`
	CostUSD         llm.NullMoney `json:"costUsd"`
	CostStatus      string        `json:"costStatus"`
	ReportedCostUSD llm.NullMoney `json:"reportedCostUsd"`
}

type candidateJSON struct {
	Provider         string        `json:"provider"`
	Model            string        `json:"model"`
	EstimatedCostUSD llm.NullMoney `json:"estimatedCostUsd"`
	Capability       *float64      `json:"capability"`
	Reason           string        `json:"reason"`
}

type rejectedJSON struct {
	Reason string `json:"reason"`
	Count  int    `json:"count"`
}

type usageJSON struct {
	InputTokens  int64 `json:"inputTokens"`
	OutputTokens int64 `json:"outputTokens"`
	classes[int64]
	Fees      []feeJSON `json:"fees"`
	Estimated bool      `json:"estimated"`
	Clamped   bool      `json:"clamped"`
}

type feeJSON struct {
	Name         string `json:"name"`
	Count        int64  `json:"count"`
	UnitPriceUSD scaled `json:"unitPriceUsd"` // of Per
	Per          int64  `json:"per"`
}

// pricesJSON holds unit prices in dollars per million tokens.
type pricesJSON struct {
	Version string `json:"version"`
	Unit    string `json:"unit"`
	classes[scaled]
}

// classes has one value for each class of llm.Usage.
type classes[T any] struct {
	Input        T `json:"input"`
	CacheRead    T `json:"cacheRead"`
	CacheWrite5m T `json:"cacheWrite5m"`
	CacheWrite1h T `json:"cacheWrite1h"`
	Output       T `json:"output"`
	Reasoning    T `json:"reasoning"`
	AudioIn      T `json:"audioIn"`
	AudioOut     T `json:"audioOut"`
	AudioCached  T `json:"audioCached"`
	ImageIn      T `json:"imageIn"`
	ImageOut     T `json:"imageOut"`
	ImageCached  T `json:"imageCached"`
	Video        T `json:"video"`
	VideoOut     T `json:"videoOut"`
	Citations    T `json:"citations"`
}

type timingsJSON struct {
	OverheadMs  millis  `json:"overheadMs"`
	FirstByteMs *millis `json:"firstByteMs"`
	TotalMs     *millis `json:"totalMs"`
	QueuedMs    millis  `json:"queuedMs"`
}

type substitutionJSON struct {
	Provider         string    `json:"provider"`
	Model            string    `json:"model"`
	EstimatedCost    llm.Money `json:"estimatedCost"`
	PotentialSavings llm.Money `json:"potentialSavings"`
}

func receiptOf(s *llm.Stored) receiptJSON {
	j := receiptJSON{
		ID: s.ID, TenantID: s.TenantID, Tenant: s.Slug, KeyID: s.KeyID, Test: s.Test, CreatedAt: timeOrNull(s.At),
		Endpoint: s.Endpoint.String(), Dialect: s.Dialect.String(), Mode: s.Mode.String(), Stream: s.Stream,
		RequestedModel: s.Requested, Task: orNull(s.Task), Tags: tagsOf(s.Tags),
		Provider: orNull(s.Provider), Model: orNull(s.Model), Reason: s.Reason.String(), Status: numberOrNull(s.Status),
		Outcome: s.Outcome.String(), Simulated: s.Simulated, Done: s.Done,
		Attempts: attemptsOf(s.Attempts), UnsentAttempts: attemptsOf(s.Unsent),
		Candidates: make([]candidateJSON, len(s.Considered)), Rejected: make([]rejectedJSON, len(s.Rejected)),
		BaselineKind: s.BaselineKind.String(), BaselineModel: orNull(s.BaselineName),
		Timings: timingsOf(&s.Record), Substitution: substitutionOf(s.Substitution),
	}
	for i, c := range s.Considered {
		j.Candidates[i] = candidateJSON{c.Provider, c.Model, c.Cost, capabilityOf(c.Capability), c.Reason.String()}
	}
	for i, r := range s.Rejected {
		j.Rejected[i] = rejectedJSON{r.Reason.String(), r.Count}
	}
	j.fillMoney(&s.Record)
	if s.Seq > 0 {
		hash := hex.EncodeToString(s.Hash)
		j.Seq, j.Hash = &s.Seq, orNull(hash)
	}
	return j
}

// fillMoney leaves the amounts of a request that is still under way unknown.
func (j *receiptJSON) fillMoney(r *llm.Record) {
	usage := r.Usage()
	j.Usage = usageOf(&usage)
	if last := answering(r); last != nil {
		j.Prices = pricesOf(last)
	}
	j.CostStatus = llm.CostPending.String()
	if r.Done {
		j.CostUSD, j.CostStatus, j.BaselineUSD, j.SavingsUSD = r.Cost(), r.CostStatus().String(), r.Baseline, r.Savings()
	}
}

// answering returns the attempt that answered, or the last one; nil if none left.
func answering(r *llm.Record) *llm.Attempt {
	if len(r.Attempts) == 0 {
		return nil
	}
	return &r.Attempts[len(r.Attempts)-1]
}

func attemptsOf(attempts []llm.Attempt) []attemptJSON {
	all := make([]attemptJSON, len(attempts))
	for i := range attempts {
		a := &attempts[i]
		all[i] = attemptJSON{
			N: a.N, Provider: a.Provider, Model: a.Model, SentModel: a.Sent, ServedModel: orNull(a.Served), StartedAt: timeOrNull(a.At),
			Status: numberOrNull(a.Status), Outcome: a.Outcome.String(), Simulated: a.Simulated, LatencyMs: millis(a.Latency),
			FirstByteMs: millisOrNull(a.FirstByte), Usage: usageOf(&a.Usage), Prices: pricesOf(a), CostUSD: a.Cost, CostStatus: a.CostStatus.String(),
			ReportedCostUSD: a.Reported,
		}
	}
	return all
}

func usageOf(u *llm.Usage) usageJSON {
	j := usageJSON{
		InputTokens: u.InputTokens(), OutputTokens: u.OutputTokens(),
		classes: classes[int64]{
			u.Input, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.Output, u.Reasoning,
			u.AudioIn, u.AudioOut, u.AudioCached, u.ImageIn, u.ImageOut, u.ImageCached, u.Video, u.VideoOut, u.Citations,
		},
		Fees: make([]feeJSON, len(u.Fees)), Estimated: u.Estimated, Clamped: u.Clamped,
	}
	for i, f := range u.Fees {
		j.Fees[i] = feeJSON{f.Name, f.Count, scaled{int64(f.Rate), 15}, max(f.Per, 1)}
	}
	return j
}

func pricesOf(a *llm.Attempt) *pricesJSON {
	if !a.Priced {
		return nil
	}
	return ratesOf(&a.Rates)
}

func ratesOf(r *llm.Rates) *pricesJSON {
	return &pricesJSON{Version: r.Version, Unit: "usd_per_million_tokens", classes: classes[scaled]{
		perMillion(r.Input), perMillion(r.CacheRead), perMillion(r.CacheWrite5m), perMillion(r.CacheWrite1h), perMillion(r.Output), perMillion(r.Reasoning),
		perMillion(r.AudioIn), perMillion(r.AudioOut), perMillion(r.AudioCached), perMillion(r.ImageIn), perMillion(r.ImageOut), perMillion(r.ImageCached),
		perMillion(r.Video), perMillion(r.VideoOut), perMillion(r.Citations),
	}}
}

// perMillion: 10⁻¹⁵ dollars a token are 10⁻⁹ dollars a million.
func perMillion(r llm.Rate) scaled { return scaled{int64(r), 9} }

func timingsOf(r *llm.Record) timingsJSON {
	return timingsJSON{OverheadMs: millis(r.Overhead), FirstByteMs: millisOrNull(r.FirstByte), TotalMs: millisOrNull(r.Total), QueuedMs: millis(r.Queued)}
}

func substitutionOf(s *llm.Substitution) *substitutionJSON {
	if s == nil {
		return nil
	}
	return &substitutionJSON{s.Provider, s.Model, s.Cost, s.Savings}
}

// tagsOf reads the canonical form "k=v,k=v".
func tagsOf(tags string) map[string]string {
	all := map[string]string{}
	for tag := range strings.SplitSeq(tags, ",") {
		if key, value, ok := strings.Cut(tag, "="); ok {
			all[key] = value
		}
	}
	return all
}

func capabilityOf(p float64) *float64 {
	if p == 0 {
		return nil
	}
	return &p
}

func numberOrNull(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

// millis is a duration written in milliseconds, to the microsecond.
type millis time.Duration

// MarshalJSON writes milliseconds with at most three decimals.
func (d millis) MarshalJSON() ([]byte, error) {
	return scaled{time.Duration(d).Microseconds(), 3}.MarshalJSON()
}

func millisOrNull(d time.Duration) *millis {
	if d == 0 {
		return nil
	}
	m := millis(d)
	return &m
}

// scaled is an exact decimal: n × 10^-decimals.
type scaled struct {
	n        int64
	decimals int
}

// MarshalJSON writes the number without trailing zeros.
func (s scaled) MarshalJSON() ([]byte, error) {
	sign, u := "", uint64(s.n)
	if s.n < 0 {
		sign, u = "-", -u
	}
	digits := strconv.FormatUint(u, 10)
	if missing := s.decimals + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	point := len(digits) - s.decimals
	frac := strings.TrimRight(digits[point:], "0")
	if frac == "" {
		return []byte(sign + digits[:point]), nil
	}
	return []byte(sign + digits[:point] + "." + frac), nil
}
