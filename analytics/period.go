// Package analytics turns rollups into what people ask about: what was spent,
// where, and what it would have cost otherwise. Its functions are pure.
package analytics

import (
	"encoding/json"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// Quarter is the grain of rollups; periods are widened to whole quarters.
const Quarter = 15 * time.Minute

// Period is a span of time in whole quarters of an hour, UTC.
type Period struct {
	Start time.Time
	End   time.Time // exclusive
	// WholeDays: the end was given, or found, as a day that the period includes; it
	// is printed as that day's last second.
	WholeDays bool
}

// MarshalJSON writes start and end as RFC 3339.
func (p Period) MarshalJSON() ([]byte, error) {
	end := p.End
	if p.WholeDays {
		end = end.Add(-time.Second)
	}
	return json.Marshal(map[string]string{"start": p.Start.Format(time.RFC3339), "end": end.Format(time.RFC3339)})
}

// ParsePeriod reads the query parameters period (day, week or month; empty: month),
// startDate and endDate. A date is YYYY-MM-DD, the end's included, or RFC 3339, the
// end's excluded. Dates that are given win; one that is missing is that end of
// the calendar period which holds the other one or, for an end, which holds now if
// that is later. Without dates it is the period that holds now. Weeks are ISO weeks.
// Every error is an *llm.Error that names the parameter.
func ParsePeriod(period, startDate, endDate string, now time.Time) (Period, error) {
	calendar, ok := calendars[period]
	if !ok {
		return Period{}, llm.Invalid("period", "period must be day, week or month")
	}
	start, _, err := parseDate("startDate", startDate)
	if err != nil {
		return Period{}, err
	}
	end, wholeDay, err := parseDate("endDate", endDate)
	if err != nil {
		return Period{}, err
	}
	if wholeDay {
		end = end.AddDate(0, 0, 1)
	}
	if endDate == "" {
		_, end = calendar(latest(now, start))
		wholeDay = true
	}
	if startDate == "" {
		start, _ = calendar(end.Add(-1))
	}
	if !start.Before(end) {
		return Period{}, llm.Invalid("endDate", "endDate must lie behind startDate")
	}
	return Period{Start: floor(start), End: ceil(end), WholeDays: wholeDay}, nil
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b.UTC()
	}
	return a.UTC()
}

func floor(t time.Time) time.Time { return t.Truncate(Quarter) }

func ceil(t time.Time) time.Time {
	if f := floor(t); !f.Equal(t) {
		return f.Add(Quarter)
	}
	return t
}

// parseDate returns the zero time for an empty parameter.
func parseDate(name, s string) (t time.Time, wholeDay bool, err error) {
	if s == "" {
		return time.Time{}, false, nil
	}
	if t, err = time.Parse(time.DateOnly, s); err == nil {
		return inRange(name, t, true)
	}
	if t, err = time.Parse(time.RFC3339, s); err == nil {
		return inRange(name, t.UTC(), false)
	}
	return time.Time{}, false, llm.Invalid(name, name+" must be a date as 2026-01-31, or a time as in RFC 3339 such as 2026-01-31T12:00:00Z")
}

// inRange keeps to years that a database and RFC 3339 can write.
func inRange(name string, t time.Time, wholeDay bool) (time.Time, bool, error) {
	if t.Year() < 1970 || t.Year() > 9000 {
		return time.Time{}, false, llm.Invalid(name, name+" must lie between the years 1970 and 9000")
	}
	return t, wholeDay, nil
}

// calendars return the calendar period that holds t, its end excluded.
var calendars = map[string]func(t time.Time) (start, end time.Time){
	"day":   day,
	"week":  week,
	"month": month,
	"":      month,
}

func day(t time.Time) (start, end time.Time) {
	start = midnight(t)
	return start, start.AddDate(0, 0, 1)
}

func week(t time.Time) (start, end time.Time) {
	sinceMonday := (int(t.Weekday()) + 6) % 7
	start = midnight(t).AddDate(0, 0, -sinceMonday)
	return start, start.AddDate(0, 0, 7)
}

func month(t time.Time) (start, end time.Time) {
	start = time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	return start, start.AddDate(0, 1, 0)
}

func midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}
