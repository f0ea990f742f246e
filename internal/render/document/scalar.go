package document

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// tagNumber marks the numbers of JSON files in the node tree.
const tagNumber = "!json/number"

// scalar gives a scalar as kubectl would hand it to the API server: YAML 1.1, then JSON, then int64 where it is whole.
func scalar(node *yaml.Node) (any, error) {
	if node.Style != 0 && node.Style&yaml.TaggedStyle == 0 {
		return node.Value, nil
	}
	value, _, err := resolve(node)
	if float, ok := value.(float64); ok && err == nil && node.Tag != tagNumber {
		return jsonNumber(float)
	}
	return value, err
}

// jsonNumber gives what is left of a float after its way through JSON, where 1e3 is written 1000.
func jsonNumber(value float64) (any, error) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return nil, errors.New("a manifest cannot hold .nan or .inf")
	}
	if value == math.Trunc(value) && math.Abs(value) < 1e21 {
		if whole, err := strconv.ParseInt(strconv.FormatFloat(value, 'f', -1, 64), 10, 64); err == nil {
			return whole, nil
		}
	}
	return value, nil
}

// resolve gives the value of a scalar that is plain or has a tag. Exact is false for a number too big for int64, which is a
// float64 from there on.
func resolve(node *yaml.Node) (value any, exact bool, err error) {
	tag := ""
	if node.Style&yaml.TaggedStyle != 0 || node.Tag == tagNumber {
		tag = strings.Replace(node.Tag, "tag:yaml.org,2002:", "!!", 1)
	}
	switch tag {
	case "":
		value, exact = plain(node.Value)
		return value, exact, nil
	case tagNumber:
		return number(node.Value), true, nil
	case "!!binary":
		data, err := base64.StdEncoding.DecodeString(node.Value)
		if err != nil || !utf8.Valid(data) {
			return nil, false, errors.New("!!binary wants base64 of text")
		}
		return string(data), true, nil
	case "!!bool", "!!int", "!!float", "!!null", "!!timestamp":
		return tagged(tag, node.Value)
	}
	return node.Value, true, nil
}

// tagged gives a value of the type that its author demands.
func tagged(tag, text string) (any, bool, error) {
	value, exact := plain(text)
	ok := false
	switch v := value.(type) {
	case nil:
		ok = tag == "!!null"
	case bool:
		ok = tag == "!!bool"
	case int64:
		ok = tag == "!!int" || tag == "!!float"
	case float64:
		ok = tag == "!!float" || tag == "!!int" && !exact && v > 0
	case string:
		ok = tag == "!!timestamp" && isTime(text)
	}
	if !ok {
		return nil, false, fmt.Errorf("%q is not of type %s", text, tag)
	}
	return value, exact, nil
}

// isTime says whether a text is one of the dates and times that kubectl takes for a !!timestamp.
func isTime(text string) bool {
	for _, layout := range []string{
		time.DateOnly, "2006-1-2", "2006-1-2T15:4:5.999999999Z07:00", "2006-1-2t15:4:5.999999999Z07:00", "2006-1-2 15:4:5.999999999",
	} {
		if _, err := time.Parse(layout, text); err == nil {
			return true
		}
	}
	return false
}

func isNull(text string) bool {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return true
	}
	return false
}

// words are the plain scalars of YAML 1.1 that are neither text nor number.
var words = map[string]any{
	"": nil, "~": nil, "null": nil, "Null": nil, "NULL": nil,
	"y": true, "Y": true, "yes": true, "Yes": true, "YES": true,
	"on": true, "On": true, "ON": true, "true": true, "True": true, "TRUE": true,
	"n": false, "N": false, "no": false, "No": false, "NO": false,
	"off": false, "Off": false, "OFF": false, "false": false, "False": false, "FALSE": false,
	".nan": math.NaN(), ".NaN": math.NaN(), ".NAN": math.NaN(),
	".inf": math.Inf(1), ".Inf": math.Inf(1), ".INF": math.Inf(1),
	"+.inf": math.Inf(1), "+.Inf": math.Inf(1), "+.INF": math.Inf(1),
	"-.inf": math.Inf(-1), "-.Inf": math.Inf(-1), "-.INF": math.Inf(-1),
}

// longestWord bounds what is looked up in words.
const longestWord = 5

var floatForm = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)

// plain gives the value of an unquoted scalar. Dates stay text, as do numbers to base 60.
func plain(text string) (value any, exact bool) {
	if len(text) <= longestWord {
		if word, ok := words[text]; ok {
			return word, true
		}
	}
	switch first := text[0]; {
	case first == '.':
		if float, err := strconv.ParseFloat(text, 64); err == nil {
			return float, true
		}
	case first >= '0' && first <= '9', first == '+', first == '-':
		return numeric(text)
	}
	return text, true
}

// numeric gives the value of a scalar that begins like a number.
func numeric(text string) (value any, exact bool) {
	digits := text
	if strings.Contains(text, "_") {
		digits = strings.ReplaceAll(text, "_", "")
	}
	if whole, err := strconv.ParseInt(digits, 0, 64); err == nil {
		return whole, true
	}
	if whole, err := strconv.ParseUint(digits, 0, 64); err == nil {
		return float64(whole), false
	}
	if floatForm.MatchString(digits) {
		if float, err := strconv.ParseFloat(digits, 64); err == nil {
			return float, true
		}
	}
	return text, true
}

// number gives a JSON number as the API machinery of Kubernetes does.
func number(text string) any {
	if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
		return whole
	}
	if float, err := strconv.ParseFloat(text, 64); err == nil {
		return float
	}
	return text
}
