package main

import (
	"math"
	"slices"
)

// gain is what a router between two models is measured by: RouteLLM's metrics
// (arXiv 2406.18665) as shared/routing/score.py has them, with 10 bins.
type gain struct {
	n                  int
	apgr, cpt50, cpt80 float64
}

// pairGain measures scores (higher: to the strong model) by the outcomes of both models.
func pairGain(score []float64, strong, weak []bool) gain {
	n := len(score)
	thresholds := quantiles(score, 10)
	type point struct{ x, y float64 }
	var points []point
	for i, t := range thresholds {
		selected, right := 0, 0
		for j, s := range score {
			to := s >= t
			if i == len(thresholds)-1 {
				to = s > t
			}
			if to {
				selected++
			}
			if to && strong[j] || !to && weak[j] {
				right++
			}
		}
		points = append(points, point{100 * float64(selected) / float64(n), float64(right) / float64(n)})
	}
	slices.SortFunc(points, func(a, b point) int {
		if a.x != b.x {
			return sign(a.x - b.x)
		}
		return sign(a.y - b.y)
	})
	xs, ys := make([]float64, len(points)), make([]float64, len(points))
	for i, p := range points {
		xs[i], ys[i] = p.x, p.y
	}
	weakShare, strongShare := shareOf(weak), shareOf(strong)
	area := trapezoid(xs, ys) / 100
	span := (xs[len(xs)-1] - xs[0]) / 100
	at := func(part float64) float64 { return interpolate(weakShare+part*(strongShare-weakShare), ys, xs) }
	return gain{n, (area - weakShare*span) / (strongShare*span - weakShare*span), at(0.5), at(0.8)}
}

func sign(x float64) int {
	switch {
	case x < 0:
		return -1
	case x > 0:
		return 1
	}
	return 0
}

func shareOf(v []bool) float64 {
	n := 0
	for _, b := range v {
		if b {
			n++
		}
	}
	return float64(n) / float64(len(v))
}

// quantiles are q+1 of them, without repeats.
func quantiles(v []float64, q int) []float64 {
	s := slices.Sorted(slices.Values(v))
	var out []float64
	for k := range q + 1 {
		x := float64(k) / float64(q) * float64(len(s)-1)
		lo := int(x)
		hi := min(lo+1, len(s)-1)
		out = append(out, s[lo]+(s[hi]-s[lo])*(x-float64(lo)))
	}
	return slices.Compact(out)
}

func trapezoid(x, y []float64) (sum float64) {
	for i := 1; i < len(x); i++ {
		sum += (x[i] - x[i-1]) * (y[i] + y[i-1]) / 2
	}
	return sum
}

// interpolate is numpy.interp, which assumes that xs increases.
func interpolate(x float64, xs, ys []float64) float64 {
	last := len(xs) - 1
	if x <= xs[0] {
		return ys[0]
	}
	if x >= xs[last] {
		return ys[last]
	}
	lo, hi := 0, last
	for hi-lo > 1 {
		if m := (lo + hi) / 2; xs[m] <= x {
			lo = m
		} else {
			hi = m
		}
	}
	if xs[hi] == xs[lo] {
		return ys[hi]
	}
	return ys[lo] + (x-xs[lo])*(ys[hi]-ys[lo])/(xs[hi]-xs[lo])
}

// calibration is the expected calibration error over 15 bins.
func calibration(right []bool, p []float64) float64 {
	var hits, sums [15]float64
	for i, v := range p {
		b := min(14, int(v*15))
		sums[b] += v
		if right[i] {
			hits[b]++
		}
	}
	total := 0.0
	for b := range hits {
		total += math.Abs(hits[b] - sums[b])
	}
	return total / float64(len(p))
}
