package kube

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"k8s.io/kube-openapi/pkg/validation/strfmt"

	"github.com/setpoint-dev/setpoint/internal/diff"
)

// publishedRules are the words of a schema that limit values.
type publishedRules struct {
	Enum             []any        `json:"enum"`
	Pattern          string       `json:"pattern"`
	Minimum          *float64     `json:"minimum"`
	Maximum          *float64     `json:"maximum"`
	ExclusiveMinimum bool         `json:"exclusiveMinimum"`
	ExclusiveMaximum bool         `json:"exclusiveMaximum"`
	MultipleOf       *float64     `json:"multipleOf"`
	MinLength        *int         `json:"minLength"`
	MaxLength        *int         `json:"maxLength"`
	MinItems         *int         `json:"minItems"`
	MaxItems         *int         `json:"maxItems"`
	MinProperties    *int         `json:"minProperties"`
	MaxProperties    *int         `json:"maxProperties"`
	AnyOf            []*published `json:"anyOf"`
	OneOf            []*published `json:"oneOf"`
	Not              *published   `json:"not"`
}

// rules are publishedRules, compiled.
type rules struct {
	publishedRules
	enum    []string // as diff.KeyText gives them
	pattern *regexp.Regexp
	all     []*node
	any     []*node
	one     []*node
	not     *node
}

// rulesOf gives the rules of a schema, or nil. Of Go types only enumerations are known to be what the server goes by.
func (c *compiler) rulesOf(s *published, strict bool) *rules {
	r := &rules{}
	for _, value := range s.Enum {
		r.enum = append(r.enum, diff.KeyText(value))
	}
	if !strict {
		if len(r.enum) == 0 {
			return nil
		}
		return r
	}
	r.publishedRules = s.publishedRules
	r.publishedRules.Enum = nil
	if s.Pattern != "" {
		r.pattern = c.pattern(s.Pattern)
	}
	r.AnyOf, r.OneOf, r.Not = nil, nil, nil
	r.all, r.any, r.one = c.parts(s.AllOf), c.parts(s.AnyOf), c.parts(s.OneOf)
	if s.Not != nil {
		r.not = c.parts([]*published{s.Not})[0]
	}
	if !r.says() {
		return nil
	}
	return r
}

// parts compiles the parts of a rule. References in them, which custom resources cannot have, are not followed: a definition that
// is a part of itself would have no end.
func (c *compiler) parts(of []*published) []*node {
	var nodes []*node
	for _, part := range of {
		n := &node{open: true}
		if part != nil && refOf(part) == "" {
			n = c.compile(part, true)
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// says whether there is any rule.
func (r *rules) says() bool {
	p := r.publishedRules
	numbers := p.Minimum != nil || p.Maximum != nil || p.MultipleOf != nil
	lengths := p.MinLength != nil || p.MaxLength != nil || p.MinItems != nil || p.MaxItems != nil ||
		p.MinProperties != nil || p.MaxProperties != nil
	parts := len(r.all)+len(r.any)+len(r.one) > 0 || r.not != nil
	return numbers || lengths || parts || len(r.enum) > 0 || r.pattern != nil
}

// pattern compiles each pattern once; one that Go cannot compile is no rule, as for the server.
func (c *compiler) pattern(text string) *regexp.Regexp {
	compiled, found := c.patterns[text]
	if !found {
		compiled, _ = regexp.Compile(text)
		c.patterns[text] = compiled
	}
	return compiled
}

// limits gives what a value breaks of the rules that concern the value alone.
func (r *rules) limits(value any, whole bool) []string {
	var out []string
	if len(r.enum) > 0 {
		out = r.enumeration(value, out)
	}
	switch v := value.(type) {
	case string:
		n := utf8.RuneCountInString(v)
		out = append(out, bounds{r.MinLength, r.MaxLength}.broken(n, "characters")...)
		if r.pattern != nil && !r.pattern.MatchString(v) {
			out = append(out, fmt.Sprintf("must match %q", r.Pattern))
		}
	case int64:
		out = r.amount(float64(v), out)
	case float64:
		out = r.amount(v, out)
	case []any:
		out = append(out, bounds{atLeast(r.MinItems, whole), r.MaxItems}.broken(len(v), "items")...)
	case map[string]any:
		out = append(out, bounds{atLeast(r.MinProperties, whole), r.MaxProperties}.broken(len(v), "fields")...)
	}
	return out
}

// atLeast leaves out a lower limit of an object that other writers may add to.
func atLeast(limit *int, whole bool) *int {
	if !whole {
		return nil
	}
	return limit
}

func (r *rules) enumeration(value any, out []string) []string {
	text := diff.KeyText(value)
	if slices.Contains(r.enum, text) {
		return out
	}
	const most = 10
	list, more := r.enum, ""
	if len(list) > most {
		list, more = list[:most], ", …"
	}
	return append(out, "must be one of "+strings.Join(list, ", ")+more)
}

// bounds are the lowest and the highest number allowed, either of them nil for none.
type bounds struct{ lowest, highest *int }

func (b bounds) broken(n int, what string) (out []string) {
	if b.lowest != nil && n < *b.lowest {
		out = append(out, fmt.Sprintf("must have at least %d %s", *b.lowest, what))
	}
	if b.highest != nil && n > *b.highest {
		out = append(out, fmt.Sprintf("must have at most %d %s", *b.highest, what))
	}
	return out
}

func (r *rules) amount(value float64, out []string) []string {
	number := func(limit float64) string { return strconv.FormatFloat(limit, 'g', -1, 64) }
	if limit := r.Minimum; limit != nil && (value < *limit || r.ExclusiveMinimum && value == *limit) {
		out = append(out, atOr("at least ", "more than ", r.ExclusiveMinimum)+number(*limit))
	}
	if limit := r.Maximum; limit != nil && (value > *limit || r.ExclusiveMaximum && value == *limit) {
		out = append(out, atOr("at most ", "less than ", r.ExclusiveMaximum)+number(*limit))
	}
	if step := r.MultipleOf; step != nil && *step > 0 {
		if times := value / *step; math.Abs(times-math.Round(times)) > 1e-9*math.Max(1, math.Abs(times)) {
			out = append(out, "must be a multiple of "+number(*step))
		}
	}
	return out
}

func atOr(inclusive, exclusive string, isExclusive bool) string {
	if isExclusive {
		return "must be " + exclusive
	}
	return "must be " + inclusive
}

// crdFormats are the formats that every supported server checks in custom resources; others say nothing.
var crdFormats = map[string]bool{
	"bsonobjectid": true, "uri": true, "email": true, "hostname": true, "ipv4": true, "ipv6": true, "cidr": true, "mac": true,
	"uuid": true, "uuid3": true, "uuid4": true, "uuid5": true, "isbn": true, "isbn10": true, "isbn13": true, "creditcard": true,
	"ssn": true, "hexcolor": true, "rgbcolor": true, "byte": true, "date": true, "duration": true, "datetime": true,
	"date-time": true,
}

// isFormat says whether a text has a format that servers check in custom resources.
func isFormat(format, text string) bool {
	return !crdFormats[format] || strfmt.Default.Validates(format, text)
}
