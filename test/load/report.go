package load

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// maxErrors is how many different errors are kept; the rest only counts.
const maxErrors = 50

// Report is what became of a load.
type Report struct {
	Requests int            // that were made
	Failed   int            // of them: no answer, half an answer, another status than 200 to 299, or wrong by Options.Check
	Errors   map[string]int // how often each; local ports are left out, so that equal ones are equal
	Elapsed  time.Duration

	latencies []time.Duration // in their order
}

// Percentile gives how long a part of the requests took at most, with part from 0 to 1: 0.5 is the median, 1 the maximum. Failed requests
// count too.
func (r Report) Percentile(part float64) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	at := int(part*float64(len(r.latencies))+0.9999999) - 1 // the nearest rank
	return r.latencies[min(max(at, 0), len(r.latencies)-1)]
}

// String gives the report in a line, and one for each kind of failure.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests in %s (%.0f/s), %d failed; p50 %s, p99 %s, max %s", r.Requests, r.Elapsed.Round(time.Millisecond),
		float64(r.Requests)/max(r.Elapsed.Seconds(), 1e-9), r.Failed, r.Percentile(0.5), r.Percentile(0.99), r.Percentile(1))
	for _, text := range slices.SortedFunc(maps.Keys(r.Errors), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Errors[b], r.Errors[a]), cmp.Compare(a, b))
	}) {
		fmt.Fprintf(&b, "\n%6d × %s", r.Errors[text], text)
	}
	return b.String()
}

// A tally is what one client counts.
type tally struct {
	failed    int
	errors    map[string]int
	latencies []time.Duration
}

// localPort is the client's own port, which is another one for each connection.
var localPort = regexp.MustCompile(`:\d+->`)

func (t *tally) add(took time.Duration, err error) {
	t.latencies = append(t.latencies, took)
	if err != nil {
		t.failed++
		count(&t.errors, localPort.ReplaceAllString(err.Error(), "->"), 1)
	}
}

func count(errors *map[string]int, text string, n int) {
	if *errors == nil {
		*errors = map[string]int{}
	}
	if _, known := (*errors)[text]; !known && len(*errors) >= maxErrors {
		text = "others"
	}
	(*errors)[text] += n
}

// report adds up what the clients counted.
func report(clients []tally, elapsed time.Duration) Report {
	r := Report{Elapsed: elapsed}
	for _, c := range clients {
		r.Failed += c.failed
		r.latencies = append(r.latencies, c.latencies...)
		for text, n := range c.errors {
			count(&r.Errors, text, n)
		}
	}
	r.Requests = len(r.latencies)
	slices.Sort(r.latencies)
	return r
}
