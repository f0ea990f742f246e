package window_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/window"
)

func parse(t interface{ Fatal(...any) }, schedule string, duration time.Duration, zone string) window.Window {
	w, err := window.Parse(schedule, duration, zone)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// at reads "2026-03-29 02:30" or, where the clocks show a time twice, "… CEST".
func at(t *testing.T, zone, text string) time.Time {
	t.Helper()
	place, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02 15:04 MST"} {
		if when, err := time.ParseInLocation(layout, text, place); err == nil {
			return when
		}
	}
	t.Fatalf("%q is no time", text)
	return time.Time{}
}

func TestOpen(t *testing.T) {
	const berlin, york = "Europe/Berlin", "America/New_York"
	for _, test := range []struct {
		name, schedule string
		duration       time.Duration
		zone           string
		at             string
		closes         string // "" when it is closed then
		next           string
	}{
		{"before", "0 22 * * *", 8 * time.Hour, "", "2026-01-10 21:59:59", "", "2026-01-10 22:00"},
		{"at the beginning", "0 22 * * *", 8 * time.Hour, "", "2026-01-10 22:00", "2026-01-11 06:00", "2026-01-11 22:00"},
		{"over midnight", "0 22 * * *", 8 * time.Hour, "", "2026-01-11 05:59:59", "2026-01-11 06:00", "2026-01-11 22:00"},
		{"at the end", "0 22 * * *", 8 * time.Hour, "", "2026-01-11 06:00", "", "2026-01-11 22:00"},
		{"on working days", "0 8 * * mon-fri", time.Hour, "", "2026-01-09 10:00", "", "2026-01-12 08:00"},
		{"@daily", "@daily", time.Hour, "", "2026-01-09 00:30", "2026-01-09 01:00", "2026-01-10 00:00"},
		{"the day before the end of a month", "0 0 31 * *", 48 * time.Hour, "", "2026-02-01 12:00", "2026-02-02 00:00", "2026-03-31 00:00"},
		{"the 29th of February", "0 0 29 2 *", 24 * time.Hour, "", "2026-02-28 12:00", "", "2028-02-29 00:00"},
		{"a freeze over the turn of the year", "0 0 20 12 *", 14 * 24 * time.Hour, berlin, "2027-01-02 23:59", "2027-01-03 00:00", "2027-12-20 00:00"},
		{"overlapping", "0 8-17 * * *", 2 * time.Hour, "", "2026-01-09 09:30", "2026-01-09 19:00", "2026-01-10 08:00"},
		{"touching", "0 8,9,10 * * *", time.Hour, "", "2026-01-09 08:00", "2026-01-09 11:00", "2026-01-10 08:00"},

		{"spring: a night is an hour shorter on the clock", "0 22 * * *", 8 * time.Hour, berlin, "2026-03-29 01:00", "2026-03-29 07:00", "2026-03-29 22:00"},
		{"autumn: and an hour longer", "0 22 * * *", 8 * time.Hour, berlin, "2026-10-25 01:00", "2026-10-25 05:00", "2026-10-25 22:00"},
		{"spring: a time that is skipped", "30 2 * * *", time.Hour, berlin, "2026-03-29 01:59", "", "2026-03-29 03:00"},
		{"spring: opens when the clocks have moved", "30 2 * * *", time.Hour, berlin, "2026-03-29 03:00", "2026-03-29 04:00", "2026-03-30 02:30"},
		{"autumn: opens at the first of both", "30 2 * * *", 30 * time.Minute, berlin, "2026-10-25 02:30 CEST", "2026-10-25 02:00 CET", "2026-10-25 02:30 CET"},
		{"autumn: closed between", "30 2 * * *", 30 * time.Minute, berlin, "2026-10-25 02:00 CET", "", "2026-10-25 02:30 CET"},
		{"autumn: opens at the second of both", "30 2 * * *", 30 * time.Minute, berlin, "2026-10-25 02:45 CET", "2026-10-25 03:00", "2026-10-26 02:30"},
		{"autumn: one window when they touch", "30 2 * * *", time.Hour, berlin, "2026-10-25 02:30 CEST", "2026-10-25 03:30", "2026-10-26 02:30"},
		{"New York, spring", "30 2 * * 0", time.Hour, york, "2026-03-08 01:00", "", "2026-03-08 03:00"},
		{"New York, spring: not on other days", "30 2 * * 6", time.Hour, york, "2026-03-08 01:00", "", "2026-03-14 02:30"},
		{"New York, autumn", "0 1 * * *", 30 * time.Minute, york, "2026-11-01 01:10 EST", "2026-11-01 01:30 EST", "2026-11-02 01:00"},
		{"New York, every hour", "0 * * * *", 10 * time.Minute, york, "2026-03-08 01:30", "", "2026-03-08 03:00"},
		{"a day without midnight", "0 12 * * 5", time.Hour, "Africa/Cairo", "2026-04-23 12:00", "", "2026-04-24 12:00"},
		{"midnight is skipped", "0 0 * * 5", time.Hour, "Africa/Cairo", "2026-04-23 12:00", "", "2026-04-24 01:00"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := parse(t, test.schedule, test.duration, test.zone)
			now := at(t, test.zone, test.at)
			closes, open := w.Open(now)
			if open != (test.closes != "") {
				t.Fatalf("open: %t", open)
			}
			if open && !closes.Equal(at(t, test.zone, test.closes)) {
				t.Errorf("closes %s, want %s", closes, test.closes)
			}
			if next := w.Next(now); !next.Equal(at(t, test.zone, test.next)) {
				t.Errorf("opens next %s, want %s", next, test.next)
			}
		})
	}
}

// TestNoEndInSight: a window that never closes says so, after a bounded search.
func TestNoEndInSight(t *testing.T) {
	now := time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC)
	for schedule, duration := range map[string]time.Duration{
		"@daily": 24 * time.Hour, "* * * * *": time.Minute, "*/5 * * * *": window.MaxDuration, "@yearly": window.MaxDuration,
	} {
		w := parse(t, schedule, duration, "UTC")
		if closes, open := w.Open(now); !open || !closes.IsZero() {
			t.Errorf("%s: open %t until %s", w.Text, open, closes)
		}
		if next := w.Next(now); !next.IsZero() {
			t.Errorf("%s: opens %s", w.Text, next)
		}
	}
	if _, open := (window.Window{}).Open(now); open || !(window.Window{}).Next(now).IsZero() {
		t.Error("the zero window opens")
	}
}

func TestText(t *testing.T) {
	for want, w := range map[string]window.Window{
		"0 22 * * 1-5 for 8h (Europe/Berlin)": parse(t, "  0 22  * * 1-5 ", 8*time.Hour, "Europe/Berlin"),
		"@daily for 1h30m (UTC)":              parse(t, "@daily", 90*time.Minute, ""),
		"@hourly for 1m30s (UTC)":             parse(t, "@hourly", 90*time.Second, "UTC"),
		"@hourly for 10m (UTC)":               parse(t, "@hourly", 10*time.Minute, "UTC"),
	} {
		if w.Text != want {
			t.Errorf("%q, want %q", w.Text, want)
		}
	}
}

func TestWhatIsNoWindow(t *testing.T) {
	for _, test := range []struct {
		schedule string
		duration time.Duration
		zone     string
		want     string
	}{
		{"", time.Hour, "", `read the window's schedule "": it is empty`},
		{"0 22 * *", time.Hour, "", `read the window's schedule "0 22 * *": it has 4 fields: minute, hour, day of the month, month and day of the week are needed`},
		{"0 0 22 * * *", time.Hour, "", `read the window's schedule "0 0 22 * * *": it has six fields: seconds are not supported, five fields begin with the minute`},
		{"0 25 * * *", time.Hour, "", `read the window's schedule "0 25 * * *": its hour "25" is not within 0 to 23, a range, or a step such as */2`},
		{"0 22 * * 7", time.Hour, "", `read the window's schedule "0 22 * * 7": its day of the week "7" is not within 0 (Sunday) to 6 or sun to sat, a range, or a step such as */2`},
		{"0 0 30 feb *", time.Hour, "", `read the window's schedule "0 0 30 feb *": there is no such day`},
		{", * * * *", time.Hour, "", `read the window's schedule ", * * * *": there is no such day`},
		{"@every 1h", time.Hour, "", `read the window's schedule "@every 1h": @every has no fixed beginning: use five fields`},
		{"@dayly", time.Hour, "", `read the window's schedule "@dayly": use @yearly, @monthly, @weekly, @daily or @hourly, or five fields`},
		{"TZ=Europe/Berlin 0 22 * * *", time.Hour, "", `read the window's schedule "TZ=Europe/Berlin 0 22 * * *": it has a time zone in front, which timeZone is for`},
		{"CRON_TZ=", time.Hour, "", `read the window's schedule "CRON_TZ=": it has a time zone in front, which timeZone is for`},
		{"@daily", time.Second, "", `read the window's duration 1s: it is not between 1m and 8784h (366 days)`},
		{"@daily", 0, "", `read the window's duration 0s: it is not between 1m and 8784h (366 days)`},
		{"@daily", 9000 * time.Hour, "", `read the window's duration 9000h: it is not between 1m and 8784h (366 days)`},
		{"@daily", time.Hour, "Berlin", `read the window's time zone "Berlin": it is not in the time zone database`},
		{"@daily", time.Hour, "Local", `read the window's time zone "Local": it is not in the time zone database`},
		{"@daily", time.Hour, "../etc/passwd", `read the window's time zone "../etc/passwd": it is not in the time zone database`},
	} {
		if _, err := window.Parse(test.schedule, test.duration, test.zone); err == nil || err.Error() != test.want || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v (%s)\nwant %s", err, fault.KindOf(err), test.want)
		}
	}
}

// TestOpenAndNextAgree: a window that is closed stays so until Next and is open then; one that is open stays so until it closes and is
// closed then. So whoever waits for these instants misses nothing.
func TestOpenAndNextAgree(t *testing.T) {
	schedules := []string{"0 22 * * *", "30 2 * * *", "0 * * * *", "*/20 1-4 * * *", "0 0 1 * *", "15 8-17 * * 1-5", "@weekly", "0 0 29 2 *", "45 23 31 12 *"}
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Africa/Casablanca", "Asia/Kathmandu"}
	rapid.Check(t, func(t *rapid.T) {
		minutes := rapid.OneOf(rapid.IntRange(1, 180), rapid.IntRange(1, 180), rapid.IntRange(1, 366*24*60)).Draw(t, "minutes")
		w := parse(t, rapid.SampledFrom(schedules).Draw(t, "schedule"), time.Duration(minutes)*time.Minute, rapid.SampledFrom(zones).Draw(t, "zone"))
		now := time.Unix(rapid.Int64Range(1_700_000_000, 1_950_000_000).Draw(t, "now"), 0)
		closes, open := w.Open(now)
		next := w.Next(now)
		if !open {
			if !next.After(now) {
				t.Fatalf("%s is closed at %s and opens %s", w.Text, now, next)
			}
			expect(t, w, now, next, false)
			closes, open = w.Open(next)
			if !open {
				t.Fatalf("%s is not open when it opens, %s", w.Text, next)
			}
			now = next
		}
		if closes.IsZero() {
			expect(t, w, now, now.Add(window.MaxDuration), true)
			return
		}
		expect(t, w, now, closes, true)
		if _, still := w.Open(closes); still {
			t.Fatalf("%s is open when it closes, %s", w.Text, closes)
		}
		if after, again := w.Next(now), w.Next(closes); !after.Equal(again) || !after.After(closes) {
			t.Fatalf("%s closes %s and opens %s or %s", w.Text, closes, after, again)
		}
	})
}

// expect that a window is open, or not, at instants of [from, to).
func expect(t *rapid.T, w window.Window, from, to time.Time, want bool) {
	for i := range 5 {
		probe := from.Add(time.Duration(rapid.Int64Range(0, int64(to.Sub(from)/time.Second)-1).Draw(t, "seconds")) * time.Second)
		if i == 0 {
			probe = to.Add(-1)
		}
		if _, open := w.Open(probe); open != want || w.Contains(probe) != want {
			t.Fatalf("%s: open %t at %s, between %s and %s", w.Text, open, probe, from, to)
		}
	}
}
