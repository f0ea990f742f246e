package helm

import (
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

func TestVersionsAreChosenAsHelmDoesIt(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC) }
	all := []version{
		{name: "6.3.5"}, {name: "7.0.0-rc.1"}, {name: "6.10.0"}, {name: "6.9.4"}, {name: "latest"}, {name: "v5.1.0"}, {name: "8.0.0-alpha"},
		{name: "4.0.0+1", created: at(2)}, {name: "4.0.0+2", created: at(1)}, {name: "4.0.0+3", created: at(2)},
	}
	for wish, want := range map[string]string{
		"": "6.10.0", "*": "6.10.0", "6.3.5": "6.3.5", "~6.3": "6.3.5", "6.x": "6.10.0", "<6.10": "6.9.4",
		">=6 <6.9": "6.3.5", "^6.3.0": "6.10.0",
		"7.0.0-rc.1": "7.0.0-rc.1", ">6-0": "8.0.0-alpha", ">=7.0.0-0 <8.0.0-0": "7.0.0-rc.1", "5.1.0": "v5.1.0", "v6.9.4": "6.9.4",
		"6.3 - 6.9": "6.9.4", "4.0.0": "4.0.0+3", "4.0.0+2": "4.0.0+2", ">=7": "", "9.0.0": "", "6.9": "6.9.4", "<5 || ~5.1": "v5.1.0",
	} {
		c, err := parseChoice(wish)
		if err != nil {
			t.Errorf("%q: %v", wish, err)
			continue
		}
		if got, ok := c.of(all); got.name != want || ok != (want != "") {
			t.Errorf("%q gives %q, want %q", wish, got.name, want)
		}
	}
	if _, err := parseChoice("newest"); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
		t.Errorf("got %v", err)
	}
}
