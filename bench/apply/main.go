// Command apply measures the first sync of many objects against its limit: a bare loop of concurrent server-side-apply PATCHes
// of the same objects, against the same API server, in the same run. Both take turns, so that neither has the better machine.
//
//	go run ./bench/apply [-rounds 3] [-profile cpu.out]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/test/cluster"
)

func main() {
	rounds := flag.Int("rounds", 3, "how often each side takes its turn")
	profile := flag.String("profile", "", "write a CPU profile of Setpoint's turns to this file")
	only := flag.String("case", "", "run only this case: mixed, configmaps")
	flag.Parse()
	if err := run(context.Background(), *rounds, *profile, *only); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// side is one way to apply objects to a namespace that is empty.
type side func(ctx context.Context, namespace string, count int) (time.Duration, error)

func run(ctx context.Context, rounds int, profile, only string) error {
	server, err := cluster.Start(ctx, cluster.Options{Log: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { _ = server.Stop() }()
	b := &bench{server: server}
	if profile != "" {
		file, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	for _, c := range []struct {
		name  string
		count int
	}{{"mixed", 1000}, {"configmaps", 5000}} {
		if only != "" && only != c.name {
			continue
		}
		b.mixed = c.name == "mixed"
		if err := b.compare(ctx, c.name, c.count, rounds); err != nil {
			return err
		}
	}
	return nil
}

// compare lets both sides take turns and prints the medians: of the times, and of the ratios of neighbouring turns, which a
// machine that is busy with something else disturbs least.
func (b *bench) compare(ctx context.Context, name string, count, rounds int) error {
	var bare, ours, ratios []float64
	if _, err := b.turn(ctx, b.bareLoop, 200); err != nil { // warm the server up
		return err
	}
	for round := range rounds {
		pair := []side{b.bareLoop, b.setpoint}
		times := make([]time.Duration, 2)
		for i := range pair {
			at := (i + round) % 2 // who is first alternates too
			took, err := b.turn(ctx, pair[at], count)
			if err != nil {
				return err
			}
			times[at] = took
		}
		bare, ours = append(bare, times[0].Seconds()), append(ours, times[1].Seconds())
		ratios = append(ratios, times[1].Seconds()/times[0].Seconds())
		fmt.Printf("%-12s round %d: bare loop %.2fs, setpoint %.2fs\n", name, round+1, times[0].Seconds(), times[1].Seconds())
	}
	fmt.Printf("%-12s %d objects: bare loop %.2fs, setpoint %.2fs, ratio %.2f\n",
		name, count, median(bare), median(ours), median(ratios))
	return nil
}

// turn gives a side a namespace of its own, and deletes what it made.
func (b *bench) turn(ctx context.Context, s side, count int) (time.Duration, error) {
	b.turns++
	namespace := fmt.Sprintf("bench-%d", b.turns)
	body := []byte(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"` + namespace + `"}}`)
	if _, err := b.server.Do(ctx, "POST", "/api/v1/namespaces", body); err != nil {
		return 0, err
	}
	took, err := s(ctx, namespace, count)
	if err != nil {
		return 0, err
	}
	for _, collection := range []string{
		"/api/v1/namespaces/%s/configmaps", "/api/v1/namespaces/%s/secrets", "/api/v1/namespaces/%s/serviceaccounts",
		"/apis/apps/v1/namespaces/%s/deployments",
	} {
		if _, err := b.server.Do(ctx, "DELETE", fmt.Sprintf(collection, namespace), nil); err != nil {
			return 0, err
		}
	}
	time.Sleep(500 * time.Millisecond) // the server finishes what it does in the background
	return took, nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
