package state_test

import (
	"slices"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/state"
)

func TestWhatHasMoved(t *testing.T) {
	base := func(id, ref string) state.Import { return state.Import{At: "base", ID: id, Ref: ref} }
	revision := func(id string, imports ...state.Import) state.Revision {
		return state.Revision{ID: id, Ref: "main", Imports: imports}
	}
	old := revision("aaaaaaaaaa+111111", base("sha256:1234567890", "1.4.0"))
	for name, test := range map[string]struct {
		now  state.Revision
		want []string
	}{
		"the same":    {old, nil},
		"an import":   {revision("aaaaaaaaaa+222222", base("sha256:abcdef0123", "1.4.1")), []string{"base 1.4.0@1234567 → 1.4.1@abcdef0"}},
		"the source":  {revision("bbbbbbbbbb+333333", base("sha256:1234567890", "1.4.0")), []string{"source main@aaaaaaa → main@bbbbbbb"}},
		"one is gone": {revision("aaaaaaaaaa"), []string{"gone: base 1.4.0@1234567"}},
		"one is new": {revision("aaaaaaaaaa+444444", base("sha256:1234567890", "1.4.0"), state.Import{At: "chart", ID: "cccccccccc"}),
			[]string{"new: chart ccccccc"}},
	} {
		if got := test.now.Moved(old); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
	if got := revision("b").Moved(revision("a")); got != nil {
		t.Errorf("without imports: %q", got)
	}
}
