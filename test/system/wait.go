package system

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// Wait polls until a condition holds, and fails the test when it never does.
func Wait(t testing.TB, what string, condition func() bool) {
	t.Helper()
	WaitFor(t, what, Patience, condition)
}

// WaitFor is Wait with a patience of its own, for what must not come true before long.
func WaitFor(t testing.TB, what string, patience time.Duration, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain for %s", patience, what)
		}
	}
}

// Figure logs a measurement, and appends it as "name value unit" to the file that SETPOINT_FIGURES names. Nothing is asserted.
func Figure(t testing.TB, name string, value float64, unit string) {
	t.Helper()
	line := fmt.Sprintf("%s %.4g %s", name, value, unit)
	t.Log("figure: " + line)
	file := os.Getenv("SETPOINT_FIGURES")
	if file == "" {
		return
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatalf("SETPOINT_FIGURES: %v", err)
	}
	defer func() { _ = out.Close() }()
	if _, err := fmt.Fprintln(out, line); err != nil {
		t.Errorf("SETPOINT_FIGURES: %v", err)
	}
}
