package v1alpha1_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "4096": 4096, "256Mi": 256 << 20, "10M": 10_000_000, "1Gi": 1 << 30, "1.5Gi": 3 << 29, "1k": 1000, "1Ki": 1024, "0.1": 1,
		"7Ei": 7 << 60, "2T": 2e12, "3P": 3e15, "9E": 9e18, "1Ti": 1 << 40, "1Pi": 1 << 50,
	} {
		if got, err := v1alpha1.ParseBytes(text); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "Mi", "-1", "1KB", "1 Mi", "1e3", "0x10", "8Ei", "10E", "1mi", "9999999999999999999", ".5Gi", "1."} {
		if got, err := v1alpha1.ParseBytes(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func TestParseCPU(t *testing.T) {
	for text, want := range map[string]int64{"1": 1000, "0.5": 500, "0.001": 1, "2.25": 2250, "500m": 500, "64": 64000, "0": 0} {
		if got, err := v1alpha1.ParseCPU(text); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "m", "-1", "0.0001", "1.5m", "1k", "half", "99999999999"} {
		if got, err := v1alpha1.ParseCPU(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func TestQuantitiesAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1<<33-1).Draw(t, "number")
		if got, err := v1alpha1.ParseBytes(fmt.Sprintf("%dMi", n)); err != nil || got != n<<20 {
			t.Fatalf("%dMi: %d, %v", n, got, err)
		}
		if got, err := v1alpha1.ParseBytes(fmt.Sprintf("%d.5Ki", n)); err != nil || got != n<<10+512 {
			t.Fatalf("%d.5Ki: %d, %v", n, got, err)
		}
		milli := n % 1e9
		if got, err := v1alpha1.ParseCPU(fmt.Sprintf("%dm", milli)); err != nil || got != milli {
			t.Fatalf("%dm: %d, %v", milli, got, err)
		}
	})
}
