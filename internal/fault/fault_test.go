package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

func TestMessageLeavesOutWhatIsEmpty(t *testing.T) {
	for want, err := range map[string]error{
		"fetch https://git.example.com/x: no route": fault.New(fault.Transient, "fetch", "https://git.example.com/x", "no route"),
		"no route":              fault.New(fault.Transient, "", "", "no route"),
		"start: no source":      fault.New(fault.Invalid, "start", "", "no source"),
		"read a.yaml:3: broken": fault.Wrap(fault.Invalid, "read", "a.yaml:3", errors.New("broken")),
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
	if fault.Wrap(fault.Invalid, "read", "x", nil) != nil {
		t.Error("a nil cause is no error")
	}
}

func TestKindAndHintAreFoundInTheTree(t *testing.T) {
	denied := fault.New(fault.Denied, "apply", "x", "no").WithHint("ask for it")
	transient := fault.New(fault.Transient, "apply", "y", "later")
	for _, test := range []struct {
		name string
		err  error
		kind fault.Kind
		hint string
	}{
		{"nil", nil, "", ""},
		{"plain", errors.New("x"), fault.Internal, ""},
		{"deadline", fmt.Errorf("x: %w", context.DeadlineExceeded), fault.Transient, ""},
		{"wrapped", fmt.Errorf("x: %w", denied), fault.Denied, "ask for it"},
		{"outermost kind", fault.Wrap(fault.Invalid, "a", "b", denied), fault.Invalid, "ask for it"},
		{"no kind of its own", &fault.Error{Op: "a", Err: denied}, fault.Denied, "ask for it"},
		{"joined takes what is least likely to go away", errors.Join(transient, denied), fault.Denied, "ask for it"},
		{"joined and wrapped", fmt.Errorf("x: %w", errors.Join(transient, denied)), fault.Denied, "ask for it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if kind, hint := fault.KindOf(test.err), fault.HintOf(test.err); kind != test.kind || hint != test.hint {
				t.Errorf("%s %q, want %s %q", kind, hint, test.kind, test.hint)
			}
		})
	}
}

func TestFlattenTakesJoinsApart(t *testing.T) {
	a, b, c := errors.New("a"), errors.New("b"), errors.New("c")
	if parts := fault.Flatten(errors.Join(a, errors.Join(b, c))); len(parts) != 3 || !errors.Is(parts[2], c) {
		t.Errorf("parts = %v, want a, b and c", parts)
	}
	if fault.Flatten(nil) != nil {
		t.Error("nothing has no parts")
	}
}

func TestMisspelling(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"interval", "Interval", 0}, {"intervall", "interval", 1}, {"replicaz", "replicas", 1}, {"", "abc", 3}, {"kitten", "sitting", 3}} {
		if got := fault.Misspelling(test.a, test.b); got != test.want {
			t.Errorf("%q and %q: %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
