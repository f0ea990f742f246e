package helm

import (
	"context"
	"errors"
	"fmt"
)

// limits bound what the templates of one render may do. They are far above what charts need, and keep what a hostile one can make the
// agent do small: at most about a GiB of memory for as long as the render takes, and no longer than its context.
type limits struct {
	// steps are turns of loops, templates and functions called, and writings; one that is costly counts more than once.
	steps int64
	// made are bytes of all values that functions make, and of all text that is written.
	made int64
	// output is the length of what one template file gives.
	output int64
	// value is the weight of one value that a function is given or makes, in bytes.
	value int64
	// call is the work of one call of a function, in comparisons or similar.
	call int64
	// depth is how deep templates may use each other.
	depth int
	// source is the length of one template, and blocks how many blocks it may open. The parser goes as deep as they do.
	source, blocks int
	// parsed is the length of text that functions read as YAML, JSON or TOML.
	parsed int64
}

var defaultLimits = limits{
	steps: 2_000_000, made: 512 << 20, output: 64 << 20, value: 16 << 20, call: 500_000_000,
	depth: 1000, source: 4 << 20, blocks: 20_000, parsed: 2 << 20,
}

func (l limits) orDefault() limits {
	if l == (limits{}) {
		return defaultLimits
	}
	return l
}

// refusal is why templates were stopped. It is an error of the template, and so stays with its place.
type refusal struct{ cause string }

func (r refusal) Error() string { return r.cause }

const refusalHint = "no chart that is meant well needs so much; if this one is, split it"

// budget is what is left of the limits in one render. It belongs to one goroutine. What goes over is told by a panic with a refusal, which
// text/template makes an error of.
type budget struct {
	limits

	ctx   context.Context //nolint:containedctx // it lives for one call of execute; functions of templates have no parameter for it
	since int64           // steps since the context was looked at
	open  int             // templates that are being executed
}

func newBudget(ctx context.Context, l limits) *budget { return &budget{limits: l, ctx: ctx} }

// glance is the number of steps after which the context is looked at again.
const glance = 256

// spend takes steps.
func (b *budget) spend(steps int64) {
	if b.steps -= steps; b.steps < 0 {
		panic(refusal{"the templates do more than is allowed: there is a loop that is too long"})
	}
	if b.since += steps; b.since >= glance {
		b.since = 0
		if err := b.ctx.Err(); err != nil {
			panic(err)
		}
	}
}

// grow takes bytes that come into being.
func (b *budget) grow(bytes int64) {
	if b.made -= bytes; b.made < 0 || bytes < 0 {
		panic(refusal{fmt.Sprintf("the templates make more than %d MiB of values", defaultLimits.made>>20)})
	}
}

// fits refuses a value that is too large before it is there.
func (b *budget) fits(bytes int64) {
	if bytes > b.value || bytes < 0 {
		panic(refusal{fmt.Sprintf("a value is larger than %d MiB", b.value>>20)})
	}
}

// works refuses a call that takes too long.
func (b *budget) works(work int64) {
	if work > b.call || work < 0 {
		panic(refusal{"a function is given more than it can be done with in a reasonable time"})
	}
	b.spend(work / 1000)
}

// enter and leave count templates within templates. They are called by templates, and write nothing.
func (b *budget) enter() string {
	if b.open++; b.open > b.depth {
		panic(refusal{fmt.Sprintf("templates use each other more than %d levels deep", b.depth)})
	}
	b.spend(1)
	return ""
}

func (b *budget) leave() string {
	b.open--
	return ""
}

// turn is called by each turn of a loop.
func (b *budget) turn() string {
	b.spend(1)
	return ""
}

// stopped says whether an error comes from the end of the context.
func stopped(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
