package host

import (
	"context"
	"fmt"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
)

func BenchmarkCompareNothingChanged10000(b *testing.B) {
	f := open(b, b.TempDir())
	var objects []*state.Object
	var steps []plan.Step
	for n := range 10_000 {
		objects = append(objects, declare("File", fmt.Sprint("f", n), "1"))
		steps = append(steps, creating(objects[n]))
	}
	if err := f.Apply(b.Context(), shop, steps, func(target.Result) {}); err != nil {
		b.Fatal(err)
	}
	query := target.Query{Owner: shop, Want: set(objects...)}
	f.kinds["File"].driver = unmoved{f.files} // what is measured is the host's own share
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			if _, err := f.Compare(b.Context(), query); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("one", func(b *testing.B) {
		query.Only = []state.ID{objects[77].ID()}
		for b.Loop() {
			if _, err := f.Compare(b.Context(), query); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// unmoved is a driver that finds everything as it should be, at no cost.
type unmoved struct{ *shelf }

func (unmoved) Compare(context.Context, state.Owner, *state.Object, journal.Record) diff.Entry {
	return diff.Entry{Op: diff.None, Health: state.Health{Status: state.Healthy}}
}

// BenchmarkFiles10000 is a host with real files: in a hundred directories, made in one stage, compared, and deleted.
func BenchmarkFiles10000(b *testing.B) {
	h := openReal(b, b.TempDir(), b.TempDir())
	var objects []*state.Object
	for n := range 100 {
		objects = append(objects, declareAt("Directory", fmt.Sprint("d", n), fmt.Sprintf("/d%d", n), ""))
	}
	for n := range 10_000 {
		objects = append(objects, declareAt("File", fmt.Sprint("f", n), fmt.Sprintf("/d%d/f%d", n%100, n), fmt.Sprint("content ", n)))
	}
	carry := func(op diff.Op) {
		var steps []plan.Step
		for _, object := range objects {
			step := plan.Step{ID: object.ID(), Op: op}
			if op != diff.Delete {
				step.Want = object
			}
			steps = append(steps, step)
		}
		err := h.Apply(b.Context(), shop, steps, func(result target.Result) {
			if result.Err != nil {
				b.Fatal(result.Err)
			}
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	query := target.Query{Owner: shop, Want: set(objects...)}
	compare := func(want diff.Op) {
		report, err := h.Compare(b.Context(), query)
		if err != nil || len(report.Entries) != len(objects) || report.Entries[5].Op != want {
			b.Fatal(len(report.Entries), err)
		}
	}
	b.Run("apply and delete", func(b *testing.B) {
		for b.Loop() {
			carry(diff.Create)
			b.StopTimer()
			carry(diff.Delete)
			b.StartTimer()
		}
	})
	carry(diff.Create)
	compare(diff.None)
	b.Run("compare", func(b *testing.B) {
		for b.Loop() {
			compare(diff.None)
		}
	})
	query.Only = []state.ID{objects[5000].ID()}
	b.Run("compare one", func(b *testing.B) {
		for b.Loop() {
			if _, err := h.Compare(b.Context(), query); err != nil {
				b.Fatal(err)
			}
		}
	})
}
