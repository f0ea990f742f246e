package window

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// maxText is how long a schedule may be, in bytes.
const maxText = 256

// fields of a schedule, in order, and what they take.
var fields = []struct{ name, takes string }{
	{"minute", "0 to 59"},
	{"hour", "0 to 23"},
	{"day of the month", "1 to 31"},
	{"month", "1 to 12 or jan to dec"},
	{"day of the week", "0 (Sunday) to 6 or sun to sat"},
}

// Parse reads a schedule (cron: five fields or @daily …), a duration between MinDuration and MaxDuration, and a time zone of the IANA
// database ("" is UTC). Errors are faults of kind Invalid.
func Parse(text string, duration time.Duration, zone string) (Window, error) {
	text = strings.Join(strings.Fields(text), " ")
	place, err := location(zone)
	if err != nil {
		return Window{}, err
	}
	calendar, err := parse(text)
	if err != nil {
		return Window{}, err
	}
	if duration < MinDuration || duration > MaxDuration {
		return Window{}, fault.New(fault.Invalid, "read the window's duration", brief(duration),
			"it is not between 1m and 8784h (366 days)")
	}
	return Window{
		Text:     fmt.Sprintf("%s for %s (%s)", text, brief(duration), place),
		duration: duration,
		schedule: schedule{calendar: calendar, zone: place},
	}, nil
}

// location finds a time zone. "Local" would mean something else on each machine.
func location(zone string) (*time.Location, error) {
	place, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return nil, fault.New(fault.Invalid, "read the window's time zone", fmt.Sprintf("%.64q", zone),
			"it is not in the time zone database").
			WithHint("use a name as of the IANA database: UTC, Europe/Berlin, America/New_York")
	}
	return place, nil
}

func parse(text string) (cron.Schedule, error) {
	if cause := refused(text); cause != "" {
		return nil, wrong(text, cause)
	}
	parsed, err := cron.ParseStandard(text)
	if err != nil {
		return nil, wrong(text, mistake(text))
	}
	calendar, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, wrong(text, "it is not a schedule of the calendar")
	}
	calendar.Location = time.UTC
	// The five years from here have a day of every date, and a 29th of February.
	if calendar.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, wrong(text, "there is no such day")
	}
	return calendar, nil
}

// refused says why a text is no schedule here though the library would take it, or fail on it otherwise than with an error.
func refused(text string) string {
	parts := strings.Fields(text)
	switch {
	case text == "":
		return "it is empty"
	case len(text) > maxText:
		return fmt.Sprintf("it is longer than %d bytes", maxText)
	case strings.Contains(text, "="):
		return "it has a time zone in front, which timeZone is for"
	case strings.HasPrefix(text, "@every"):
		return "@every has no fixed beginning: use five fields"
	case parts[0][0] == '@':
		return ""
	case len(parts) == 6:
		return "it has six fields: seconds are not supported, five fields begin with the minute"
	case len(parts) != 5:
		return fmt.Sprintf("it has %d fields: minute, hour, day of the month, month and day of the week are needed", len(parts))
	}
	return ""
}

// mistake says what is wrong with a schedule that cannot be read: it reads its fields one by one.
func mistake(text string) string {
	if strings.HasPrefix(text, "@") {
		return "use @yearly, @monthly, @weekly, @daily or @hourly, or five fields"
	}
	for i, part := range strings.Fields(text) {
		alone := []string{"*", "*", "*", "*", "*"}
		alone[i] = part
		if _, err := cron.ParseStandard(strings.Join(alone, " ")); err != nil {
			return fmt.Sprintf("its %s %q is not within %s, a range, or a step such as */2", fields[i].name, part, fields[i].takes)
		}
	}
	return "it cannot be read"
}

func wrong(text, cause string) error {
	return fault.New(fault.Invalid, "read the window's schedule", fmt.Sprintf("%.80q", text), cause).
		WithHint(`a schedule is as of cron: "0 22 * * 1-5" is 22:00 from Monday to Friday`)
}

// brief gives a duration without the parts that are zero: "8h", "1h30m".
func brief(duration time.Duration) string {
	text := duration.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
