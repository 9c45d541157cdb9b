package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/generic-corp/halfpenny/router"
)

// collector reads the state of the ledger and of the providers at each scrape.
func (g *gateway) collector() prometheus.Collector { return (*stateCollector)(g) }

type stateCollector gateway

var (
	descQueue    = prometheus.NewDesc("halfpenny_ledger_queue_depth", "Finished records that are not in the database yet.", nil, nil)
	descOldest   = prometheus.NewDesc("halfpenny_ledger_oldest_seconds", "Age of the oldest of these records.", nil, nil)
	descWritten  = prometheus.NewDesc("halfpenny_ledger_written_total", "Records written to the database.", nil, nil)
	descFailures = prometheus.NewDesc("halfpenny_ledger_failures_total", "Batches that the database refused.", nil, nil)
	descJournal  = prometheus.NewDesc("halfpenny_ledger_journal_bytes", "Size of the journal on disk.", nil, nil)
	descProvider = prometheus.NewDesc("halfpenny_provider_state", "1 where a provider's account takes calls, 0 where it cools down.", []string{"provider"}, nil)
	descSigns    = prometheus.NewDesc("halfpenny_feedback_signs_total", "Signs of bad answers that were kept.", nil, nil)
	descLost     = prometheus.NewDesc("halfpenny_feedback_dropped_total", "Answers, or signs of bad ones, that were given up because too many waited or the database refused them.", nil, nil)
	descFlying   = prometheus.NewDesc("halfpenny_requests_in_flight", "Requests under way.", nil, nil)
)

// Describe sends the descriptions of the metrics.
func (s *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descQueue, descOldest, descWritten, descFailures, descJournal, descProvider, descSigns, descLost, descFlying} {
		ch <- d
	}
}

// Collect sends the values.
func (s *stateCollector) Collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	l := s.ledger.Stats()
	send(descQueue, prometheus.GaugeValue, float64(l.Queue))
	send(descOldest, prometheus.GaugeValue, l.Oldest.Seconds())
	send(descWritten, prometheus.CounterValue, float64(l.Flushed))
	send(descFailures, prometheus.CounterValue, float64(l.Failures))
	send(descJournal, prometheus.GaugeValue, float64(l.Bytes))
	send(descSigns, prometheus.CounterValue, float64(s.signs.Kept()))
	send(descLost, prometheus.CounterValue, float64(s.signs.Dropped()))
	send(descFlying, prometheus.GaugeValue, float64(s.proxy.InFlight()))
	for _, p := range s.config.Load().Providers {
		up := 1.0
		if s.health.State(p.Name).Condition == router.Cooling {
			up = 0
		}
		send(descProvider, prometheus.GaugeValue, up, p.Name)
	}
}
