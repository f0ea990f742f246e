package files

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// Bounds of a template's execution.
const (
	maxOutput   = 8 << 20 // bytes
	maxDuration = 2 * time.Second
)

// input is what a template sees.
type input struct {
	Values  map[string]any
	Secrets map[string]string
	Host    Facts
}

// CheckTemplate says what is wrong with a template as far as that can be known without the host: its syntax, values that are missing, and
// secrets that it does not declare. It carries it out with placeholders for secrets and host. The error is a fault of kind Invalid.
func CheckTemplate(text string, values map[string]any, secretNames []string) error {
	secrets := make(map[string]string, len(secretNames))
	for _, name := range secretNames {
		secrets[name] = "placeholder"
	}
	_, err := execute(text, input{Values: values, Secrets: secrets, Host: Facts{Name: "host", OS: "linux", Arch: "amd64", CPUs: 1}})
	return err
}

// execute carries out a template within its bounds. Errors are faults of kind Invalid and hold no secret.
func execute(text string, in input) ([]byte, error) {
	made, err := template.New("template").Option("missingkey=error").Funcs(functions()).Parse(text)
	if err != nil {
		return nil, (&fault.Error{Op: "parse", Kind: fault.Invalid, Err: plain(err)}).
			WithHint("the language is that of Go's text/template: https://pkg.go.dev/text/template")
	}
	for _, each := range made.Templates() {
		if each.Tree != nil && each.Root != nil {
			interrupt(each.Root)
		}
	}
	in.Values, _ = whole(in.Values).(map[string]any)
	out := &bounded{until: time.Now().Add(maxDuration)}
	if err := made.Execute(out, in); err != nil {
		return nil, failed(err, in.Secrets)
	}
	return out.Bytes(), nil
}

// whole copies values with whole numbers as such: JSON knows only one kind of number, and 12345678 shall not be written as 1.2345678e+07.
func whole(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, item := range v {
			out[name] = whole(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = whole(item)
		}
		return out
	case float64:
		if number := int64(v); float64(number) == v && math.Abs(v) < 1<<53 {
			return number
		}
	}
	return value
}

// plain leaves out what Go writes in front of the errors of every template.
func plain(err error) error { return errors.New(strings.TrimPrefix(err.Error(), "template: ")) }

func failed(err error, secrets map[string]string) error {
	if errors.Is(err, errBound) {
		return (&fault.Error{Op: "run", Kind: fault.Invalid, Err: errBound}).WithHint("look for a loop or a recursion without an end")
	}
	text := plain(err).Error()
	for _, secret := range secrets {
		if len(secret) > 3 { // shorter ones are in every text, and taking them out would show where
			text = strings.ReplaceAll(text, secret, "redacted")
		}
	}
	return fault.New(fault.Invalid, "run", "", text).
		WithHint("declare the value under template.values or the secret under template.secrets, or correct its name")
}

// bounded gathers the output. It is asked at every turn of a loop and every call of a template, even one that writes nothing.
type bounded struct {
	bytes.Buffer
	until time.Time
}

// errBound ends the execution of a template. It is one for both bounds: which of them is met first may differ each time.
var errBound = fmt.Errorf("it makes more than %d MiB of text, or runs for longer than %v", maxOutput>>20, maxDuration)

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxOutput || time.Now().After(b.until) {
		return 0, errBound
	}
	return b.Buffer.Write(p)
}

// interrupt puts an empty text at the beginning of every list of nodes that may be carried out more than once. Writing it asks the bounds,
// which nothing else in text/template lets one do.
func interrupt(list *parse.ListNode) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		switch n := node.(type) {
		case *parse.IfNode:
			interrupt(n.List)
			interrupt(n.ElseList)
		case *parse.WithNode:
			interrupt(n.List)
			interrupt(n.ElseList)
		case *parse.RangeNode:
			interrupt(n.List)
			interrupt(n.ElseList)
		}
	}
	list.Nodes = append([]parse.Node{&parse.TextNode{NodeType: parse.NodeText, Text: []byte{}}}, list.Nodes...)
}
