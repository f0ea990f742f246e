package kube

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	quantity "k8s.io/apimachinery/pkg/api/resource"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// maxSchemaErrors bounds what is said about one object.
const maxSchemaErrors = 20

// checker gathers the errors of one object. It never says more than the server would: a valid object that is refused here can
// never be applied, while an invalid one that passes is refused by the server a moment later. Messages hold no values, which
// may be secret.
type checker struct {
	whole bool // see schemas.validate
	item  string
	path  diff.Path
	errs  []error
	// values says that only values are looked at, not which fields there are: inside of anyOf and the like.
	values bool
}

func (c *checker) add(message, hint string) {
	if len(c.errs) >= maxSchemaErrors {
		return
	}
	path := c.path.String()
	if path == "" {
		path = "/"
	}
	c.errs = append(c.errs, fault.New(fault.Invalid, "validate", c.item, path+": "+message).WithHint(hint))
}

// at goes down one segment for the time of a call.
func (c *checker) at(segment diff.Segment, check func()) {
	c.path = append(c.path, segment)
	check()
	c.path = c.path[:len(c.path)-1]
}

// root checks a whole object. Its status is left out: the server does not take it from here.
func (c *checker) root(n *node, content map[string]any) {
	if _, found := content["status"]; found {
		content = maps.Clone(content)
		delete(content, "status")
	}
	c.value(n, content)
}

func (c *checker) value(n *node, value any) {
	if n == nil || len(c.errs) >= maxSchemaErrors {
		return
	}
	if value == nil {
		if n.strict && !n.nullable && n.kind != anyValue && !c.values {
			c.add("must not be null", "")
		}
		return
	}
	if message := n.mistyped(value); message != "" {
		c.add(message, n.typeHint(value))
		return
	}
	if n.rules != nil && (n.strict || value != "") {
		c.rules(n.rules, value)
	}
	switch v := value.(type) {
	case map[string]any:
		c.object(n, v)
	case []any:
		c.list(n, v)
	}
}

// object checks fields in the order of their names, so that the same object gives the same errors.
func (c *checker) object(n *node, fields map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		child, known := n.fields[name]
		if !known {
			child, known = n.extra, n.extra != nil
		}
		c.at(diff.Segment{Name: name}, func() {
			switch {
			case known:
				c.value(child, fields[name])
			case n.open, c.values, n.embedded && isObjectField(name), n.strict && len(c.path) == 1 && isObjectField(name):
			case n.kind == objectValue:
				c.add("unknown field", didYouMean(name, n.fields))
			}
		})
	}
	if !c.whole {
		return
	}
	for _, name := range n.required {
		if value, found := fields[name]; found && (value != nil || n.strict) {
			continue
		}
		c.at(diff.Segment{Name: name}, func() { c.add("required, but missing", "") })
	}
}

func isObjectField(name string) bool {
	return name == "apiVersion" || name == "kind" || name == "metadata"
}

func (c *checker) list(n *node, items []any) {
	seen := map[string]bool{}
	for i, item := range items {
		c.at(diff.Segment{Name: diff.KeyText(int64(i))}, func() {
			c.value(n.item, item)
			if id, double := n.identify(item); id != "" {
				if seen[id] {
					c.add(double, "")
				}
				seen[id] = true
			}
		})
	}
}

// identify gives what no two items of a set or associative list may have in common, and what is to be said if they have.
func (n *node) identify(item any) (id, double string) {
	switch n.list {
	case diff.ListSet:
		return "=" + diff.KeyText(item), "is in the list twice"
	case diff.ListAssociative:
		fields, ok := item.(map[string]any)
		if !ok {
			return "", ""
		}
		var b strings.Builder
		for _, key := range n.keys {
			value, found := fields[key]
			if !found && n.item != nil && n.item.fields[key] != nil {
				value = n.item.fields[key].fallback
			}
			fmt.Fprintf(&b, "%q", diff.KeyText(value))
		}
		return b.String(), "another item has the same " + strings.Join(n.keys, " and ")
	}
	return "", ""
}

// mistyped says what a value should be, when it is something else. "" when it is right.
func (n *node) mistyped(value any) string {
	switch n.kind {
	case objectValue:
		if _, ok := value.(map[string]any); !ok {
			return want("an object", value)
		}
	case listValue:
		if _, ok := value.([]any); !ok {
			return want("a list", value)
		}
	case boolValue:
		if _, ok := value.(bool); !ok {
			return want("true or false", value)
		}
	case numberValue:
		if _, whole := value.(int64); whole {
			return ""
		}
		if _, ok := value.(float64); !ok {
			return want("a number", value)
		}
	case wholeValue:
		return n.notWhole(value)
	case textValue:
		text, ok := value.(string)
		if !ok {
			return want("a string", value)
		}
		return n.misformatted(text)
	case wholeOrTextValue:
		if _, ok := value.(string); !ok && n.notWhole(value) != "" {
			return want("a whole number or a string", value)
		}
	case quantityValue:
		return notQuantity(value)
	}
	return ""
}

func (n *node) notWhole(value any) string {
	var number float64
	switch v := value.(type) {
	case int64:
		number = float64(v)
	case float64:
		number = v
	default:
		return want("a whole number", value)
	}
	if number != math.Trunc(number) {
		return "want a whole number, have a fraction"
	}
	if n.format == "int32" && (number > math.MaxInt32 || number < math.MinInt32) {
		return "the number is too large: it has to fit into 32 bits"
	}
	return ""
}

// misformatted says what is wrong with a text. Go types read bytes and times; custom resources know more formats.
func (n *node) misformatted(text string) string {
	wrong := false
	switch {
	case n.strict:
		wrong = !isFormat(n.format, text)
	case n.format == "byte":
		_, err := base64.StdEncoding.DecodeString(text)
		wrong = err != nil
	case n.format == "date-time":
		_, err := time.Parse(time.RFC3339, text)
		wrong = err != nil
	}
	switch {
	case !wrong:
		return ""
	case n.format == "byte":
		return "want base64"
	}
	return "want the format " + n.format
}

func notQuantity(value any) string {
	switch v := value.(type) {
	case int64, float64:
		return ""
	case string:
		if _, err := quantity.ParseQuantity(strings.TrimSpace(v)); err == nil {
			return ""
		}
		return "want a quantity such as 500m or 1Gi"
	}
	return want("a quantity such as 500m or 1Gi", value)
}

func want(what string, have any) string { return "want " + what + ", have " + typeName(have) }

func typeName(value any) string {
	switch value.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "true or false"
	}
	return "a number"
}

// typeHint is for the mistakes that YAML makes easy.
func (n *node) typeHint(value any) string {
	_, isText := value.(string)
	switch {
	case n.kind == textValue && n.format == "byte" && isText:
		return "encode the value, or use stringData where the kind has it"
	case n.kind == textValue && !isText:
		return "put the value in quotes"
	case isText && (n.kind == wholeValue || n.kind == numberValue || n.kind == boolValue):
		return "write the value without quotes"
	}
	return ""
}

// rules checks the value against what limits it.
func (c *checker) rules(r *rules, value any) {
	for _, message := range r.limits(value, c.whole) {
		c.add(message, "")
	}
	for _, part := range r.all {
		inner := checker{whole: c.whole, item: c.item, path: c.path, values: true}
		inner.value(part, value)
		c.errs = append(c.errs, inner.errs[:min(len(inner.errs), maxSchemaErrors-len(c.errs))]...)
	}
	if !c.whole {
		return // what is missing here may be there already
	}
	if len(r.any) > 0 && matching(r.any, value) == 0 {
		c.add("matches none of the forms that it may have", "")
	}
	if len(r.one) > 0 {
		if n := matching(r.one, value); n != 1 {
			c.add(fmt.Sprintf("must match exactly one of the forms that it may have, and matches %d", n), "")
		}
	}
	if r.not != nil && matching([]*node{r.not}, value) == 1 {
		c.add("has the one form that it may not have", "")
	}
}

// matching counts the schemas that a value satisfies.
func matching(nodes []*node, value any) int {
	count := 0
	for _, n := range nodes {
		inner := checker{whole: true, values: true}
		if inner.value(n, value); len(inner.errs) == 0 {
			count++
		}
	}
	return count
}

// fill gives a value with the defaults that the server puts in before it validates; the original is not changed.
func (n *node) fill(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := maps.Clone(v)
		for name, child := range n.fields {
			current, found := v[name]
			if (!found || current == nil && !child.nullable) && child.fallback != nil {
				current, found = child.fallback, true
			}
			if found {
				out[name] = child.fill(current)
			}
		}
		if n.extra != nil {
			for name, item := range v {
				if n.fields[name] == nil {
					out[name] = n.extra.fill(item)
				}
			}
		}
		return out
	case []any:
		if n.item == nil {
			return v
		}
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = n.item.fill(item)
		}
		return out
	}
	return value
}
