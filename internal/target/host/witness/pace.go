package witness

import "time"

// Reading at once is what finds short-lived processes, and a program that writes without end would have us read without end. So two
// hundred looks may follow each other at once, enough for the kernel's whole queue, and then one every ten milliseconds: the kernel makes
// one event of what is alike meanwhile. Of more than that its queue overflows, and nobody is named.
const (
	perLook = 10 * time.Millisecond
	burst   = 200 * perLook
)

// pace spreads looks. The zero value is ready.
type pace struct {
	paid time.Time // until then looks are paid for
}

// next gives how long to wait after a look.
func (p *pace) next(now time.Time) time.Duration {
	if earliest := now.Add(-burst); p.paid.Before(earliest) {
		p.paid = earliest
	}
	p.paid = p.paid.Add(perLook)
	return max(0, p.paid.Sub(now))
}
