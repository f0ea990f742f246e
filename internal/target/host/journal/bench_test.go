package journal

import (
	"fmt"
	"runtime"
	"testing"
)

const many = 10_000

func fill(tb testing.TB, dir string) {
	tb.Helper()
	j := mustOpen(tb, dir)
	records := make([]Record, many)
	for n := range records {
		records[n] = typical(fmt.Sprint("file-", n), n)
	}
	for len(records) > 0 { // as many writes as a host makes that applies them
		next := min(len(records), 8)
		put(tb, j, records[:next]...)
		records = records[next:]
	}
	if err := j.Close(); err != nil {
		tb.Fatal(err)
	}
}

func BenchmarkOpen10000(b *testing.B) {
	dir := b.TempDir()
	fill(b, dir)
	before := heap()
	for b.Loop() {
		j, err := Open(dir, locked)
		if err != nil || len(j.content.records) != many {
			b.Fatal(err)
		}
		b.StopTimer()
		b.ReportMetric(float64(heap()-before)/many, "heap-B/record")
		if err := j.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// BenchmarkPut measures durable writes by 8 callers at once.
func BenchmarkPut(b *testing.B) {
	j := mustOpen(b, b.TempDir())
	b.SetParallelism(4) // times GOMAXPROCS
	b.RunParallel(func(pb *testing.PB) {
		for n := 0; pb.Next(); n++ {
			if err := j.Put(b.Context(), typical("file", n)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOwned10000(b *testing.B) {
	dir := b.TempDir()
	fill(b, dir)
	j := mustOpen(b, dir)
	for b.Loop() {
		if len(j.Owned(shop)) != many {
			b.Fatal("some are missing")
		}
	}
}
