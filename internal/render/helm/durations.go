package helm

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// durations are Helm's functions of times. What is no duration counts as none, but for the one named must….
var durations = template.FuncMap{
	"mustToDuration":       toDuration,
	"durationSeconds":      func(v any) float64 { return lenient(v).Seconds() },
	"durationMilliseconds": func(v any) int64 { return lenient(v).Milliseconds() },
	"durationMicroseconds": func(v any) int64 { return lenient(v).Microseconds() },
	"durationNanoseconds":  func(v any) int64 { return lenient(v).Nanoseconds() },
	"durationMinutes":      func(v any) float64 { return lenient(v).Minutes() },
	"durationHours":        func(v any) float64 { return lenient(v).Hours() },
	"durationDays":         func(v any) float64 { return lenient(v).Hours() / 24 },
	"durationWeeks":        func(v any) float64 { return lenient(v).Hours() / 24 / 7 },
	"durationRoundTo":      multiple(time.Duration.Round),
	"durationTruncateTo":   multiple(time.Duration.Truncate),
}

func lenient(value any) time.Duration {
	d, err := toDuration(value)
	if err != nil {
		return 0
	}
	return d
}

// multiple gives a duration cut to a multiple of another; as it is where the other is none.
func multiple(cut func(d, m time.Duration) time.Duration) func(value, of any) time.Duration {
	return func(value, of any) time.Duration {
		d, err := toDuration(value)
		if err != nil {
			return 0
		}
		m, err := toDuration(of)
		if err != nil {
			return d
		}
		return cut(d, m)
	}
}

// toDuration reads "1h30m", or a number of seconds.
func toDuration(value any) (time.Duration, error) {
	switch v := value.(type) {
	case nil:
		return 0, errors.New("invalid duration")
	case time.Duration:
		return v, nil
	case string:
		return parseDuration(strings.TrimSpace(v))
	}
	number := reflect.ValueOf(value)
	switch {
	case number.CanInt():
		return wholeSeconds(number.Int())
	case number.CanUint():
		if number.Uint() > math.MaxInt64 {
			return 0, errors.New("duration seconds overflow")
		}
		return wholeSeconds(int64(number.Uint()))
	case number.CanFloat():
		return seconds(number.Float())
	}
	return 0, fmt.Errorf("unsupported duration type %T", value)
}

func parseDuration(text string) (time.Duration, error) {
	if text == "" {
		return 0, errors.New("empty duration")
	}
	if d, err := time.ParseDuration(text); err == nil {
		return d, nil
	}
	if number, err := strconv.ParseFloat(text, 64); err == nil {
		return seconds(number)
	}
	return 0, fmt.Errorf("could not parse duration %q", text)
}

func wholeSeconds(n int64) (time.Duration, error) {
	const most = math.MaxInt64 / int64(time.Second)
	if n > most || n < -most {
		return 0, errors.New("duration seconds overflow")
	}
	return time.Duration(n) * time.Second, nil
}

func seconds(n float64) (time.Duration, error) {
	nanoseconds := n * float64(time.Second)
	if math.IsNaN(n) || nanoseconds >= math.MaxInt64 || nanoseconds <= math.MinInt64 {
		return 0, errors.New("duration seconds overflow")
	}
	return time.Duration(nanoseconds), nil
}
