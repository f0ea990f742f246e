package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// errStalled ends the request of a server that has stopped sending.
var errStalled = errors.New("the server has stopped sending")

// body is an answer's body, bounded in length and in how long it may say nothing.
type body struct {
	in          io.ReadCloser
	item        string
	left, limit int64
	stall       time.Duration
	ctx         context.Context //nolint:containedctx // it lives exactly as long as the body, and says why reading ended
	cancel      context.CancelCauseFunc
}

// Read reads; only the time that it waits for the server counts, not what the reader does in between.
func (b *body) Read(p []byte) (int, error) {
	waiting := time.AfterFunc(b.stall, func() { b.cancel(errStalled) })
	n, err := b.in.Read(p)
	waiting.Stop()
	if b.left -= int64(n); b.left < 0 {
		return 0, tooLong(b.item, b.limit)
	}
	if err == nil || err == io.EOF {
		return n, err
	}
	if context.Cause(b.ctx) == errStalled { //nolint:errorlint // the very value
		err = errStalled
	}
	return n, Explain("fetch", b.item, err)
}

// Close ends the request.
func (b *body) Close() error {
	b.cancel(nil)
	return b.in.Close()
}

// bounded is a reader that must end in time.
type bounded struct {
	in          io.Reader
	left, limit int64
	item        string
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, tooLong(b.item, b.limit)
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.in.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, tooLong(b.item, b.limit)
	}
	return n, err
}

func tooLong(item string, limit int64) error {
	return fault.New(fault.Invalid, "fetch", item, fmt.Sprintf("it is longer than the %d bytes that are allowed", limit)).
		WithHint("keep what is not configuration elsewhere")
}
