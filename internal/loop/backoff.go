package loop

import (
	"math/rand/v2"
	"time"
)

// Backoff shapes the waits between tries of something that fails.
type Backoff struct {
	Initial time.Duration
	Max     time.Duration
}

// After gives the wait after a number of failures in a row: Initial doubled each time, at most Max, less up to a fifth of
// itself by chance, so that many that failed together do not come back together.
func (b Backoff) After(failures int, random *rand.Rand) time.Duration {
	if failures < 1 {
		return 0
	}
	wait := b.Initial
	for i := 1; i < failures && wait < b.Max; i++ {
		wait *= 2
	}
	wait = min(wait, b.Max)
	return wait - time.Duration(random.Int64N(int64(wait)/5+1))
}
