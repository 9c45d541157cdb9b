package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/generic-corp/halfpenny/llm"
)

const day = 24 * time.Hour // of UTC

// modelKey is the primary key of usage_models.
type modelKey struct {
	day             int64 // microseconds since 1970
	model           string
	simulated, test bool
}

// ModelUsage sums the rows by UTC day and model. A request that named a model counts
// there, whichever served it; tokens count where an attempt was answered.
func (b *Batch) ModelUsage() []*llm.ModelUsage {
	byKey := map[modelKey]*llm.ModelUsage{}
	at := func(w *Row, model string, simulated bool) *llm.ModelUsage {
		k := modelKey{startOf(w.At, day), model, simulated, w.Record.Test}
		u := byKey[k]
		if u == nil {
			u = &llm.ModelUsage{Day: time.UnixMicro(k.day).UTC(), Model: model, Simulated: simulated, Test: k.test}
			byKey[k] = u
		}
		return u
	}
	for i := range b.rows {
		w := &b.rows[i]
		if name := text(w.Record.BaselineName, maxName); name != "" && w.Record.BaselineKind == llm.BaselineNamed {
			at(w, name, w.Record.Simulated).Named++
		}
		for n := range w.Attempts {
			if a := &w.Attempts[n]; w.Record.Endpoint == llm.EndpointChat && teaches(a.Attempt) {
				countCall(at(w, a.Model, a.Attempt.Simulated), a)
			}
		}
	}
	all := make([]*llm.ModelUsage, 0, len(byKey))
	for _, u := range byKey {
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b *llm.ModelUsage) int {
		return cmp.Or(a.Day.Compare(b.Day), cmp.Compare(a.Model, b.Model), truth(a.Simulated)-truth(b.Simulated), truth(a.Test)-truth(b.Test))
	})
	return all
}

// teaches reports whether an attempt says how much its model writes.
func teaches(a *llm.Attempt) bool {
	return a.Outcome == llm.OutcomeOK && !a.Usage.Estimated && !a.Usage.Empty()
}

func countCall(u *llm.ModelUsage, a *AttemptRow) {
	usage := &a.Attempt.Usage
	u.Calls++
	u.Input, u.Output = add(u.Input, a.Input), add(u.Output, a.Output)
	u.Cached = add(u.Cached, add(usage.CacheRead, add(usage.AudioCached, usage.ImageCached)))
}

// trialKey is the primary key of trials_15m.
type trialKey struct {
	start                 int64 // microseconds since 1970
	held, simulated, test bool
}

// Trials sums the rows by quarter of an hour that are part of a trial.
func (b *Batch) Trials() []*llm.Trial {
	byKey := map[trialKey]*llm.Trial{}
	for i := range b.rows {
		w := &b.rows[i]
		held, ok := w.Record.Trial()
		if !ok {
			continue
		}
		k := trialKey{quarterOf(w.At), held, w.Record.Simulated, w.Record.Test}
		t := byKey[k]
		if t == nil {
			t = &llm.Trial{Start: time.UnixMicro(k.start).UTC(), Held: held, Simulated: k.simulated, Test: k.test}
			byKey[k] = t
		}
		cost := float64(w.Cost.Money)
		t.Requests, t.Cost, t.Squares = t.Requests+1, add(t.Cost, w.Cost.Money), t.Squares+cost*cost
	}
	all := make([]*llm.Trial, 0, len(byKey))
	for _, t := range byKey {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *llm.Trial) int {
		return cmp.Or(a.Start.Compare(b.Start), truth(a.Held)-truth(b.Held), truth(a.Simulated)-truth(b.Simulated), truth(a.Test)-truth(b.Test))
	})
	return all
}

const (
	feedbackColumns = "id, request_id, key_id, kind, score, model, simulated, test, created_at"
	feedbackChunk   = 100 // rows of one statement
)

// SaveFeedback implements Store.
func (c *Control) SaveFeedback(ctx context.Context, slug string, rows []llm.Feedback) error {
	p, err := c.place(ctx, slug)
	if err != nil {
		return err
	}
	defer p.Close()
	for part := range slices.Chunk(lastOfEach(rows), feedbackChunk) {
		query, args := insertFeedback(part)
		if _, err := exec(ctx, p.Write, qualify(p.Prefix, query), args...); err != nil {
			return fmt.Errorf("cannot store feedback of %s: %w", slug, c.Driver.Explain(err))
		}
	}
	return nil
}

// lastOfEach leaves the last of several rows that would replace each other, which no
// one statement may write.
func lastOfEach(rows []llm.Feedback) []llm.Feedback {
	type key struct {
		request, key string
		kind         llm.FeedbackKind
	}
	last := make(map[key]int, len(rows))
	for i := range rows {
		last[key{rows[i].RequestID, rows[i].KeyID, rows[i].Kind}] = i
	}
	kept := make([]llm.Feedback, 0, len(last))
	for i := range rows {
		if last[key{rows[i].RequestID, rows[i].KeyID, rows[i].Kind}] == i {
			kept = append(kept, rows[i])
		}
	}
	return kept
}

func insertFeedback(rows []llm.Feedback) (query string, args []any) {
	var b strings.Builder
	b.WriteString("INSERT INTO {s}.feedback (" + feedbackColumns + ") VALUES ")
	for i := range rows {
		f := &rows[i]
		values := []any{uuid.Must(uuid.NewV7()).String(), text(f.RequestID, maxName), text(f.KeyID, maxName), string(f.Kind), f.Score,
			text(f.Model, maxName), f.Simulated, f.Test, f.At}
		separator := "("
		if i > 0 {
			separator = "), ("
		}
		for n := range values {
			b.WriteString(separator + "$" + strconv.Itoa(len(args)+n+1))
			separator = ", "
		}
		args = append(args, values...)
	}
	b.WriteString(`) ON CONFLICT (request_id, key_id, kind) DO UPDATE SET score = excluded.score, model = excluded.model,
		simulated = excluded.simulated, test = excluded.test, created_at = excluded.created_at`)
	return b.String(), args
}

const (
	// A model's name may be a caller's own text: maxModels bounds how many are read.
	maxModels = 2000

	selectModelUsage = `SELECT model, simulated, test, sum(CAST(named AS DOUBLE PRECISION)), sum(CAST(calls AS DOUBLE PRECISION)) AS answered,
		sum(CAST(input_tokens AS DOUBLE PRECISION)), sum(CAST(cached_tokens AS DOUBLE PRECISION)), sum(CAST(output_tokens AS DOUBLE PRECISION))
		FROM {s}.usage_models WHERE period_start >= $1 GROUP BY model, simulated, test ORDER BY answered DESC, model, simulated, test LIMIT $2`

	selectScores = `SELECT model, simulated, test, kind, count(*) AS rows, sum(score) FROM {s}.feedback
		WHERE created_at >= $1 AND (kind = 'explicit' OR created_at >= $2)
		GROUP BY model, simulated, test, kind ORDER BY rows DESC, model, simulated, test, kind LIMIT $3`

	selectTrials = `SELECT held, simulated, test, sum(CAST(requests AS DOUBLE PRECISION)), sum(CAST(cost_nanousd AS DOUBLE PRECISION)), sum(cost_squares)
		FROM {s}.trials_15m WHERE period_start >= $1 AND period_start < $2 GROUP BY held, simulated, test ORDER BY held, simulated, test`
)

// Experience implements Store.
func (c *Control) Experience(ctx context.Context, slug string, usage, feedback time.Time) (e llm.Experience, err error) {
	p, err := c.place(ctx, slug)
	if err != nil {
		return e, err
	}
	defer p.Close()
	from := time.UnixMicro(startOf(usage.UnixMicro(), day))
	if e.Usage, err = collect(ctx, p.Read, scanModelUsage, qualify(p.Prefix, selectModelUsage), from, maxModels); err == nil {
		e.Scores, err = collect(ctx, p.Read, scanScore, qualify(p.Prefix, selectScores), feedback, from, maxModels)
	}
	if err != nil {
		return llm.Experience{}, c.Driver.Explain(fmt.Errorf("cannot read the experience of %s: %w", slug, err))
	}
	return e, nil
}

func scanModelUsage(r row) (u llm.ModelUsage, err error) {
	err = r.Scan(&u.Model, &u.Simulated, &u.Test, whole{&u.Named}, whole{&u.Calls}, whole{&u.Input}, whole{&u.Cached}, whole{&u.Output})
	return u, err
}

func scanScore(r row) (s llm.ModelScore, err error) {
	err = r.Scan(&s.Model, &s.Simulated, &s.Test, &s.Kind, &s.Count, &s.Sum)
	return s, err
}

// Trials implements Reader.
func (c *Control) Trials(ctx context.Context, slug string, from, to time.Time) ([]llm.Trial, error) {
	p, err := c.place(ctx, slug)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	all, err := collect(ctx, p.Read, scanTrial, qualify(p.Prefix, selectTrials), from, to)
	if err != nil {
		return nil, c.Driver.Explain(fmt.Errorf("cannot read trials: %w", err))
	}
	return all, nil
}

func scanTrial(r row) (t llm.Trial, err error) {
	err = r.Scan(&t.Held, &t.Simulated, &t.Test, whole{&t.Requests}, whole{(*int64)(&t.Cost)}, &t.Squares)
	return t, err
}

// whole reads a sum, which a database would let fail rather than leave 64 bits, as
// the nearest integer that there is.
type whole struct{ to *int64 }

// Scan implements sql.Scanner.
func (w whole) Scan(v any) error {
	f, ok := v.(float64)
	switch {
	case !ok:
		return fmt.Errorf("cannot read a sum from %T", v)
	case f >= math.MaxInt64:
		*w.to = math.MaxInt64
	case f <= math.MinInt64:
		*w.to = math.MinInt64
	default:
		*w.to = int64(math.Round(f))
	}
	return nil
}
