package analytics

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/generic-corp/halfpenny/llm"
)

var now = time.Date(2026, 1, 15, 10, 7, 30, 0, time.UTC) // a Thursday

func TestParsePeriod(t *testing.T) {
	f := func(period, start, end, want string) {
		t.Helper()
		p, err := ParsePeriod(period, start, end, now)
		if err != nil {
			t.Errorf("%s %s %s: %v", period, start, end, err)
			return
		}
		got, _ := json.Marshal(p)
		if string(got) != want {
			t.Errorf("%s %s %s: got %s, want %s", period, start, end, got, want)
		}
	}
	f("day", "", "", `{"end":"2026-01-15T23:59:59Z","start":"2026-01-15T00:00:00Z"}`)
	f("week", "", "", `{"end":"2026-01-18T23:59:59Z","start":"2026-01-12T00:00:00Z"}`)
	f("month", "", "", `{"end":"2026-01-31T23:59:59Z","start":"2026-01-01T00:00:00Z"}`)
	f("", "", "", `{"end":"2026-01-31T23:59:59Z","start":"2026-01-01T00:00:00Z"}`)
	// Dates are whole days, times are as they stand, both widened to quarters.
	f("day", "2026-01-01", "2026-01-31", `{"end":"2026-01-31T23:59:59Z","start":"2026-01-01T00:00:00Z"}`)
	f("", "2026-01-01", "2026-01-01", `{"end":"2026-01-01T23:59:59Z","start":"2026-01-01T00:00:00Z"}`)
	f("", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", `{"end":"2026-02-01T00:00:00Z","start":"2026-01-01T00:00:00Z"}`)
	f("", "2026-01-01T10:07:00Z", "2026-01-01T10:16:00.5Z", `{"end":"2026-01-01T10:30:00Z","start":"2026-01-01T10:00:00Z"}`)
	f("", "2026-01-01T01:00:00+02:00", "2026-01-01T12:00:00-05:45", `{"end":"2026-01-01T17:45:00Z","start":"2025-12-31T23:00:00Z"}`)
	f("", "2026-01-01", "2026-01-10T12:00:00Z", `{"end":"2026-01-10T12:00:00Z","start":"2026-01-01T00:00:00Z"}`)
	f("", "2030-01-01", "2030-12-31", `{"end":"2030-12-31T23:59:59Z","start":"2030-01-01T00:00:00Z"}`)
	// One date given: the other end is the calendar period's.
	f("week", "2026-01-05", "", `{"end":"2026-01-18T23:59:59Z","start":"2026-01-05T00:00:00Z"}`)
	f("month", "2030-03-05", "", `{"end":"2030-03-31T23:59:59Z","start":"2030-03-05T00:00:00Z"}`)
	f("month", "", "2025-12-15", `{"end":"2025-12-15T23:59:59Z","start":"2025-12-01T00:00:00Z"}`)
	f("week", "", "2025-12-15T00:00:00Z", `{"end":"2025-12-15T00:00:00Z","start":"2025-12-08T00:00:00Z"}`)
}

func TestParsePeriodNamesTheParameter(t *testing.T) {
	f := func(period, start, end, param string) {
		t.Helper()
		_, err := ParsePeriod(period, start, end, now)
		var wrong *llm.Error
		if !errors.As(err, &wrong) || wrong.Param != param || wrong.Status != 400 {
			t.Errorf("%s %s %s: got %v, want param %s", period, start, end, err, param)
		}
	}
	f("year", "", "", "period")
	f("Month", "", "", "period")
	f("", "yesterday", "", "startDate")
	f("", "2026-02-30", "", "startDate")
	f("", "0001-01-01", "", "startDate")
	f("", "", "2026-13-01", "endDate")
	f("", "", "9999-12-31", "endDate")
	f("", "2026-01-02", "2026-01-01", "endDate")
	f("", "2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z", "endDate")
}

// However it is asked for, a period is whole quarters that hold what was asked for.
func TestPeriodIsWholeQuarters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(1e6, 4e9).Draw(t, "now"), 0)
		kind := rapid.SampledFrom([]string{"day", "week", "month"}).Draw(t, "kind")
		p, err := ParsePeriod(kind, "", "", at)
		if err != nil || at.Before(p.Start) || !at.Before(p.End) || p.Start != floor(p.Start) || p.End != floor(p.End) {
			t.Fatalf("%v at %v: %v", p, at, err)
		}
		again, err := ParsePeriod("", p.Start.Format(time.RFC3339), p.End.Format(time.RFC3339), at)
		if err != nil || again.Start != p.Start || again.End != p.End {
			t.Fatalf("%v came back as %v: %v", p, again, err)
		}
	})
}

func FuzzParsePeriod(f *testing.F) {
	f.Add("day", "2026-01-01", "2026-01-02T00:00:00Z")
	f.Fuzz(func(t *testing.T, period, start, end string) {
		p, err := ParsePeriod(period, start, end, now)
		if err == nil && !p.Start.Before(p.End) {
			t.Errorf("%q %q %q: %v", period, start, end, p)
		}
	})
}
