// Package fault is the project's one kind of error: an operation, the item it was done to, a kind that decides what
// happens next (retry, wait, give up, ask a person), the cause, and a hint that says what to do.
package fault

import (
	"context"
	"errors"
	"strings"
)

// Kind says what an error means for whoever has to go on. It never changes the message.
type Kind string

// The kinds, in the order in which a gathered error takes the kind of its parts (see Join).
const (
	// Internal is a bug or an impossible state of Setpoint itself.
	Internal Kind = "Internal"
	// Invalid is wrong input: it stays wrong until its author changes it, so it is not retried before that.
	Invalid Kind = "Invalid"
	// Denied is a refusal by authentication, authorization, admission or policy.
	Denied Kind = "Denied"
	// Conflict is a claim by somebody else: another owner, another writer.
	Conflict Kind = "Conflict"
	// NotFound is something named that is not there.
	NotFound Kind = "NotFound"
	// Transient may go away by itself: network, overload, time-outs.
	Transient Kind = "Transient"
)

// Error is an operation that failed on an item. The zero value of each field is left out of the message.
type Error struct {
	Op   string // what was being done, a verb phrase: "fetch", "apply"
	Item string // to what: an object's ID, a URL without credentials, file:line
	Kind Kind   // what it means for the caller; derived from Err when empty
	Err  error  // the cause
	Hint string // what to do next, one sentence without a full stop
}

// Error gives "op item: cause". The hint is not part of it: printers show it on a line of its own (see HintOf).
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Item != "" {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(e.Item)
	}
	if e.Err != nil {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes an error of a kind whose cause is a plain sentence.
func New(kind Kind, op, item, cause string) *Error {
	return &Error{Op: op, Item: item, Kind: kind, Err: errors.New(cause)}
}

// Wrap makes an error of a kind around a cause; a nil cause gives nil.
func Wrap(kind Kind, op, item string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Item: item, Kind: kind, Err: err}
}

// WithHint sets what to do next and returns the same error, for use in a return statement.
func (e *Error) WithHint(hint string) *Error {
	e.Hint = hint
	return e
}

// KindOf gives the kind of the outermost Error that names one; deadlines and cancellations are Transient; any other
// error is Internal; nil is "".
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return worst(joined.Unwrap())
	}
	if e, ok := err.(*Error); ok && e.Kind != "" { //nolint:errorlint // the tree is walked by hand, level by level
		return e.Kind
	}
	if inner := errors.Unwrap(err); inner != nil {
		return KindOf(inner)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Transient
	}
	return Internal
}

// rank orders kinds: the more certain it is that trying again is of no use, the lower.
var rank = map[Kind]int{Internal: 1, Invalid: 2, Denied: 3, Conflict: 4, NotFound: 5, Transient: 6, "": 7}

func worst(errs []error) Kind {
	kind := Kind("")
	for _, err := range errs {
		if k := KindOf(err); rank[k] < rank[kind] {
			kind = k
		}
	}
	return kind
}

// HintOf gives the first hint found in the error's tree, outermost first, or "".
func HintOf(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := err.(*Error); ok && e.Hint != "" { //nolint:errorlint // as in KindOf
		return e.Hint
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, part := range joined.Unwrap() {
			if hint := HintOf(part); hint != "" {
				return hint
			}
		}
		return ""
	}
	return HintOf(errors.Unwrap(err))
}

// Flatten gives the parts of joined errors, in order, however deep they are nested; a single error gives itself.
func Flatten(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, part := range joined.Unwrap() {
		all = append(all, Flatten(part)...)
	}
	return all
}
