package logs

import (
	"context"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

func BenchmarkWrite(b *testing.B) {
	for name, batch := range map[string]int{"one": 1, "hundred": 100} {
		b.Run(name, func(b *testing.B) {
			w := newWriter(b, b.TempDir(), 0, 3)
			lines := make([]v1alpha1.LogLine, batch)
			for i := range lines {
				lines[i] = at(i, "web.1", "GET /products/4711 200 12ms, a line of a length that is usual for those of access logs")
			}
			b.ReportAllocs()
			n := 0
			for ; b.Loop(); n += batch {
				if err := w.WriteAll(lines); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	dir := b.TempDir()
	w := newWriter(b, in(dir, "web"), 0, 3)
	for i := range 300_000 {
		write(b, w, at(i, "web.1", "GET /products/4711 200 12ms, a line of a length that is usual for those of access logs"))
	}
	for name, query := range map[string]v1alpha1.LogQuery{"all": {}, "tail 20": {Tail: 20}, "since": {Since: dawn.Add(299_900 * time.Millisecond)}} {
		b.Run(name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				err := Read(context.Background(), dir, query, func(v1alpha1.LogLine) error { n++; return nil })
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}
