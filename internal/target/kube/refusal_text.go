package kube

import (
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/setpoint-dev/setpoint/internal/diff"
)

// Bounds of what is quoted of the server's refusals, in bytes.
const (
	maxValue   = 100
	maxRefusal = 400
	keptEnd    = 120 // of the end of a message that is too long: the server writes the reason last
)

// refusal is an answer of the server with a message that people can read. The answer itself stays reachable by errors.As.
type refusal struct {
	message string
	cause   error
}

func (r *refusal) Error() string { return r.message }

func (r *refusal) Unwrap() error { return r.cause }

// brief shortens the message of a refusal, and leaves out secrets; other errors stay as they are.
func brief(err error, secrets diff.Scrubber) error {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return err
	}
	message := shorten(secrets.Text(err.Error()))
	if message == err.Error() {
		return err
	}
	return &refusal{message: message, cause: err}
}

// quotesValue matches what the server's validation writes in front of the value that it refuses
// (k8s.io/apimachinery/pkg/util/validation/field, Error.ErrorBody).
var quotesValue = regexp.MustCompile(`(?:Invalid|Unsupported|Duplicate) value: `)

// shorten leaves out the long values that a message quotes, and bounds the rest. A value may be a whole pod template, as JSON or
// as Go writes it, with the addresses of its pointers, which differ each time.
func shorten(message string) string {
	var b strings.Builder
	rest := message
	for {
		at := quotesValue.FindStringIndex(rest)
		if at == nil {
			break
		}
		b.WriteString(rest[:at[1]])
		rest = rest[at[1]:]
		length := valueLength(rest)
		if value := rest[:length]; len(value) > maxValue || strings.Contains(value, "(0x") {
			b.WriteString("(a long value)")
		} else {
			b.WriteString(value)
		}
		rest = rest[length:]
	}
	b.WriteString(rest)
	return bounded(b.String())
}

// valueLength says where a value ends: before the colon of the reason, which is neither in quotes nor in the value's brackets, or
// with the text.
func valueLength(text string) int {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case strings.IndexByte("{[(", c) >= 0:
			depth++
		case strings.IndexByte("}])", c) >= 0:
			if depth--; depth < 0 {
				return i // of the list that the message is part of
			}
		case depth == 0 && strings.HasPrefix(text[i:], ": "):
			return i
		}
	}
	if last := strings.LastIndex(text, ": "); last > 0 && (depth > 0 || quoted) {
		return last // the value was cut off
	}
	return len(text)
}

// bounded takes the middle out of a message that is too long: it begins with the field and ends with the reason.
func bounded(message string) string {
	if len(message) <= maxRefusal {
		return message
	}
	head, tail := maxRefusal-keptEnd, len(message)-keptEnd
	for !utf8.RuneStart(message[head]) {
		head--
	}
	for !utf8.RuneStart(message[tail]) {
		tail++
	}
	return message[:head] + " … " + message[tail:]
}
