package term_test

import (
	"math"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/term"
)

func TestSpark(t *testing.T) {
	for _, test := range []struct {
		values []int
		want   string
	}{
		{nil, ""},
		{[]int{0, 0}, "··"},
		{[]int{0, 1, 0}, "·█·"},
		{[]int{1, 2, 3, 4, 5, 6, 7, 8}, "▁▂▃▄▅▆▇█"},
		{[]int{0, 1, 1000, 500, -3}, "·▁█▄·"},
		{[]int{math.MaxInt, math.MaxInt / 2, math.MinInt}, "█▄·"},
	} {
		got := term.Spark(test.values)
		if got != test.want {
			t.Errorf("Spark(%v) = %q, want %q", test.values, got, test.want)
		}
		if term.Width(got) != len(test.values) || term.Clean(got) != got {
			t.Errorf("%q does not take %d columns", got, len(test.values))
		}
	}
}
