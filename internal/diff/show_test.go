package diff_test

import (
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/diff"
)

func TestShow(t *testing.T) {
	long := strings.Repeat("a line of text\n", 100)
	for _, c := range []struct {
		live, want    any
		before, after string
	}{
		{"a", "b", `"a"`, `"b"`},
		{3, true, "3", "true"},
		{nil, "b", "null", `"b"`},
		{long + "a", "b", `"` + strings.Repeat(`a line of text\n`, 13) + `a lin… (1501 bytes, sha256:`, `"b"`},
		{long + "a", long + "b", `"…a (1501 bytes, sha256:`, `"…b (1501 bytes, sha256:`},
	} {
		before, after := diff.Show(c.live, c.want)
		if !strings.HasPrefix(before, c.before) || !strings.HasPrefix(after, c.after) {
			t.Errorf("%s and %s, want %s and %s", before, after, c.before, c.after)
		}
	}
}
