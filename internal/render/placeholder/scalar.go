package placeholder

import (
	"math"
	"regexp"
	"strconv"
)

// words are the scalars that YAML 1.2 and Kubernetes read alike and that are neither text nor number. "yes", "on" and "n" are not among
// them: only the latter takes them for truth values, and a country, a name or an answer is as likely.
var words = map[string]any{
	"": nil, "~": nil, "null": nil, "Null": nil, "NULL": nil,
	"true": true, "True": true, "TRUE": true, "false": false, "False": false, "FALSE": false,
}

var (
	wholeForm   = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)$`)
	hexForm     = regexp.MustCompile(`^0x[0-9a-fA-F]+$`)
	decimalForm = regexp.MustCompile(`^[-+]?((\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|(0|[1-9][0-9]*)[eE][-+]?[0-9]+)$`)
)

// maxScalar is longer than any number that is read without loss.
const maxScalar = 64

// scalar gives what a text stands for where no quotes are around it: a number, truth value or nothing (null), as YAML 1.2 and Kubernetes
// read it. Where these two differ (0777, 1_000, yes), and for numbers beyond what they hold, it stays a text.
func scalar(text string) any {
	if word, ok := words[text]; ok {
		return word
	}
	if len(text) > maxScalar {
		return text
	}
	switch {
	case wholeForm.MatchString(text):
		if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
			return whole
		}
	case hexForm.MatchString(text):
		if whole, err := strconv.ParseInt(text[2:], 16, 64); err == nil {
			return whole
		}
	case decimalForm.MatchString(text):
		if float, err := strconv.ParseFloat(text, 64); err == nil {
			return decimal(float)
		}
	}
	return text
}

// decimal gives a float as it is after its way through JSON, where 1e3 is written 1000.
func decimal(float float64) any {
	if float == math.Trunc(float) && math.Abs(float) < 1e21 {
		if whole, err := strconv.ParseInt(strconv.FormatFloat(float, 'f', -1, 64), 10, 64); err == nil {
			return whole
		}
	}
	return float
}
