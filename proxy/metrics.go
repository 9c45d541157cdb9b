package proxy

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/generic-corp/halfpenny/llm"
)

// Metrics are what the data plane tells Prometheus. Amounts are kept as integers
// and become floats only when they are scraped. Labels are bounded.
type Metrics struct {
	mu      sync.RWMutex
	series  map[seriesKey]*series
	tenants map[string]bool

	attempts    *prometheus.CounterVec
	duration    prometheus.Histogram
	overhead    prometheus.Histogram
	firstByte   prometheus.Histogram
	estimate    *prometheus.HistogramVec
	raw         prometheus.Observer // of estimate
	calibrated  prometheus.Observer // of estimate
	rateLimited prometheus.Counter
	cache       *prometheus.CounterVec
	waited      *prometheus.HistogramVec
	refused     *prometheus.CounterVec
	queue       *queue // nil: none
	known       func(model string) bool
}

// seriesKey are the labels of requests_total; the other per-request counters share them.
type seriesKey struct {
	tenant, provider, model string
	status                  int
}

// series are the counters of one set of labels.
type series struct {
	requests, unpriced       atomic.Int64
	cost, savings            atomic.Int64 // nano-dollars
	input, cached, output    atomic.Int64 // tokens
	reasoning, audio, images atomic.Int64
}

// Bounds of the labels.
const (
	maxTenants = 1000
	other      = "other"
)

// NewMetrics returns metrics registered with reg. known tells which model names
// may be labels; all others are "other".
func NewMetrics(reg prometheus.Registerer, known func(model string) bool) *Metrics {
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "halfpenny", Name: name, Help: help, Buckets: buckets})
	}
	seconds := []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}
	m := &Metrics{
		series: map[seriesKey]*series{}, tenants: map[string]bool{}, known: known,
		attempts:  prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "halfpenny", Name: "provider_attempts_total", Help: "Attempts by provider and outcome."}, []string{"provider", "outcome"}),
		duration:  histogram("request_duration_seconds", "From a request's arrival to the end of its answer.", seconds),
		overhead:  histogram("overhead_seconds", "Time that the gateway itself adds before the first byte of an answer.", []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .05, .25}),
		firstByte: histogram("time_to_first_token_seconds", "From a request's arrival to the first byte of its answer.", seconds),
		estimate: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "halfpenny", Name: "estimate_error_ratio", Help: "Estimated over reported input tokens, less one, before and after what was learned from earlier reports.",
			Buckets: []float64{-.5, -.25, -.1, -.05, -.02, .02, .05, .1, .25, .5, 1}}, []string{"calibrated"}),
		rateLimited: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "halfpenny", Name: "rate_limited_total", Help: "Requests refused by a rate limit."}),
		cache:       prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "halfpenny", Name: "cache_requests_total", Help: "Requests that may be answered from the cache, by whether they were."}, []string{"result"}),
	}
	m.waited = prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "halfpenny", Name: "queue_waited_seconds", Help: "How long calls have waited for a target whose rate limits were reached, by how the wait ended.", Buckets: seconds}, []string{"end"})
	m.refused = prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "halfpenny", Name: "queue_refused_total", Help: "Calls that might have waited and did not, because too many did, of the tenant or in all."}, []string{"bound"})
	for _, end := range waitEnds {
		m.waited.WithLabelValues(end)
	}
	for _, bound := range []string{boundTenant, boundAll} {
		m.refused.WithLabelValues(bound)
	}
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "halfpenny", Name: "queue_waiting", Help: "Calls that wait for a target whose rate limits are reached."}, func() float64 {
		if m.queue == nil {
			return 0
		}
		return float64(m.queue.waiting.Load())
	})
	m.raw, m.calibrated = m.estimate.WithLabelValues("false"), m.estimate.WithLabelValues("true")
	reg.MustRegister(m.attempts, m.duration, m.overhead, m.firstByte, m.estimate, m.rateLimited, m.cache, m.waited, m.refused, waiting, (*byRequest)(m))
	return m
}

// RateLimited counts a request that a rate limit refused.
func (m *Metrics) RateLimited() { m.rateLimited.Inc() }

// Cached counts a request that was looked for in the cache.
func (m *Metrics) Cached(result string) { m.cache.WithLabelValues(result).Inc() }

// The values of the labels of the queue.
const (
	boundTenant = "tenant"
	boundAll    = "all"
)

var waitEnds = [...]string{"served", "expired", "left", "stopped"}

// Waited notes a wait for a target that ended with err; nil: there was one.
func (m *Metrics) Waited(d time.Duration, err error) {
	end := waitEnds[0]
	switch {
	case err == nil:
	case errors.Is(err, errTenantWaits):
		m.refused.WithLabelValues(boundTenant).Inc()
		return
	case errors.Is(err, errAllWait):
		m.refused.WithLabelValues(boundAll).Inc()
		return
	case errors.Is(err, errClientGone):
		end = waitEnds[2]
	case errors.Is(err, errDraining):
		end = waitEnds[3]
	default:
		end = waitEnds[1]
	}
	m.waited.WithLabelValues(end).Observe(d.Seconds())
}

// Attempt counts an attempt that has ended.
func (m *Metrics) Attempt(a *llm.Attempt) {
	m.attempts.WithLabelValues(a.Provider, a.Outcome.String()).Inc()
}

// Estimate notes how far estimates of input tokens were from what was reported: the
// one of the text alone, and the calibrated one that the call went by.
func (m *Metrics) Estimate(raw, calibrated, reported int64) {
	if reported > 0 {
		m.raw.Observe(float64(raw)/float64(reported) - 1)
		m.calibrated.Observe(float64(calibrated)/float64(reported) - 1)
	}
}

// Request counts a request that has ended.
func (m *Metrics) Request(r *llm.Record) {
	m.duration.Observe(r.Total.Seconds())
	m.overhead.Observe(r.Overhead.Seconds())
	if r.FirstByte > 0 {
		m.firstByte.Observe(r.FirstByte.Seconds())
	}
	s := m.of(r)
	s.requests.Add(1)
	for i := range r.Attempts {
		s.usage(&r.Attempts[i].Usage)
	}
	if cost := r.Cost(); cost.Valid {
		s.cost.Add(int64(cost.Money))
	} else {
		s.unpriced.Add(1)
	}
	if saved := r.Savings(); saved.Valid {
		s.savings.Add(int64(saved.Money))
	}
}

func (s *series) usage(u *llm.Usage) {
	s.input.Add(u.Input + u.CacheWrite5m + u.CacheWrite1h)
	s.cached.Add(u.CacheRead)
	s.output.Add(u.Output)
	s.reasoning.Add(u.Reasoning)
	s.audio.Add(u.AudioIn + u.AudioOut + u.AudioCached)
	s.images.Add(u.ImageIn + u.ImageOut + u.ImageCached)
}

// of returns the series of a request's labels.
func (m *Metrics) of(r *llm.Record) *series {
	key := seriesKey{tenant: r.Slug, provider: r.Provider, model: r.Model, status: r.Status}
	if !m.known(key.model) {
		key.model = other
	}
	m.mu.RLock()
	s := m.series[key]
	m.mu.RUnlock()
	if s != nil {
		return s
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.tenants[key.tenant] {
		if len(m.tenants) >= maxTenants {
			key.tenant = other
		} else {
			m.tenants[key.tenant] = true
		}
	}
	if s = m.series[key]; s == nil {
		s = &series{}
		m.series[key] = s
	}
	return s
}

// byRequest collects the counters that share the labels of requests_total.
type byRequest Metrics

var requestLabels = []string{"tenant", "provider", "model"}

var (
	descRequests = prometheus.NewDesc("halfpenny_requests_total", "Requests that left for a provider, by the status that the caller got.", append(requestLabels, "status"), nil)
	descCost     = prometheus.NewDesc("halfpenny_cost_usd_total", "Cost in US dollars.", requestLabels, nil)
	descSavings  = prometheus.NewDesc("halfpenny_savings_usd_total", "Baseline less cost in US dollars.", requestLabels, nil)
	descUnpriced = prometheus.NewDesc("halfpenny_unpriced_requests_total", "Requests whose cost is unknown.", requestLabels, nil)
	descTokens   = prometheus.NewDesc("halfpenny_tokens_total", "Tokens by class.", append(requestLabels, "class"), nil)
)

// Describe sends the descriptions of the metrics.
func (b *byRequest) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descRequests, descCost, descSavings, descUnpriced, descTokens} {
		ch <- d
	}
}

// Collect sends the values. Savings may fall, so they are a gauge.
func (b *byRequest) Collect(ch chan<- prometheus.Metric) {
	type labels struct{ tenant, provider, model string }
	sums := map[labels]*series{}
	b.mu.RLock()
	defer b.mu.RUnlock()
	for key, s := range b.series {
		ch <- prometheus.MustNewConstMetric(descRequests, prometheus.CounterValue, float64(s.requests.Load()), key.tenant, key.provider, key.model, strconv.Itoa(key.status))
		l := labels{key.tenant, key.provider, key.model}
		if sums[l] == nil {
			sums[l] = &series{}
		}
		sums[l].merge(s)
	}
	for l, s := range sums {
		ch <- prometheus.MustNewConstMetric(descCost, prometheus.CounterValue, float64(s.cost.Load())/float64(llm.Dollar), l.tenant, l.provider, l.model)
		ch <- prometheus.MustNewConstMetric(descSavings, prometheus.GaugeValue, float64(s.savings.Load())/float64(llm.Dollar), l.tenant, l.provider, l.model)
		ch <- prometheus.MustNewConstMetric(descUnpriced, prometheus.CounterValue, float64(s.unpriced.Load()), l.tenant, l.provider, l.model)
		for class, n := range map[string]int64{"input": s.input.Load(), "cache_read": s.cached.Load(), "output": s.output.Load(),
			"reasoning": s.reasoning.Load(), "audio": s.audio.Load(), "image": s.images.Load()} {
			ch <- prometheus.MustNewConstMetric(descTokens, prometheus.CounterValue, float64(n), l.tenant, l.provider, l.model, class)
		}
	}
}

func (s *series) merge(o *series) {
	s.requests.Add(o.requests.Load())
	s.unpriced.Add(o.unpriced.Load())
	s.cost.Add(o.cost.Load())
	s.savings.Add(o.savings.Load())
	s.input.Add(o.input.Load())
	s.cached.Add(o.cached.Load())
	s.output.Add(o.output.Load())
	s.reasoning.Add(o.reasoning.Load())
	s.audio.Add(o.audio.Load())
	s.images.Add(o.images.Load())
}
