package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/helm"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// many renders one chart with many values, keeps all that comes out, as loops do, and prints what one more costs.
func many(ctx context.Context, syncs int) error {
	formats := render.Formats{Helm: helm.New(helm.Options{})}
	artifact := memory.New(state.Revision{ID: "1"}, chartFiles())
	kept := make([]render.Result, 0, syncs)
	before := heap()
	var first, rest time.Duration
	for i := range syncs {
		how := v1alpha1.Rendering{Helm: &v1alpha1.Helm{Chart: "chart", Values: map[string]any{"part00": map[string]any{"replicas": i}}}}
		started := time.Now()
		result, err := formats.Render(ctx, render.Request{Artifact: artifact, Path: "chart", Name: fmt.Sprintf("release-%d", i), How: how})
		if err != nil {
			return err
		}
		if took := time.Since(started); i == 0 {
			first = took
		} else {
			rest += took
		}
		result.Found, result.Release = nil, nil
		kept = append(kept, result)
	}
	after := heap()
	fmt.Printf("%d Syncs of one chart: the first %s, each other %s; %.0f KiB in memory for each\n", syncs, first.Round(10*time.Microsecond),
		(rest / time.Duration(max(1, syncs-1))).Round(10*time.Microsecond), float64(after-before)/1024/float64(syncs))
	runtime.KeepAlive(kept)
	return nil
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
