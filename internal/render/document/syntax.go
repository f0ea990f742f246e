package document

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
)

var yamlLine = regexp.MustCompile(`^line ([0-9]+): `)

// syntax reports a document that the parser refuses. A tab is by far the most common reason, and the parser's own words for
// it ("found character that cannot start any token") help nobody.
func (r *reader) syntax(part part, err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if match := yamlLine.FindStringSubmatch(text); match != nil {
		line, _ = strconv.Atoi(match[1])
		text = text[len(match[0]):]
	}
	if tab := tabLine(part.text, line); tab > 0 {
		r.fail(part.line+tab-1, "a tab indents this line: YAML allows only spaces there", "indent with spaces")
		return
	}
	r.fail(part.line+line-1, text, hintFor(text))
}

// mistakes are what the parser's words usually stand for.
var mistakes = []struct{ words, hint string }{
	{"unexpected end of stream", "a quote or bracket is opened here or above, and never closed"},
	{"did not find expected key", "check the indentation of this line and the one above"},
	{"did not find expected '-' indicator", "check the indentation: the items of a list begin at the same column"},
	{"mapping values are not allowed", "quote the text that has a colon in it, or check the indentation of this line"},
	{"cannot start any token", "quote the text: it begins with a character that means something in YAML"},
	{"unknown anchor", "declare it with & before, in the same document"},
	{"did not find expected ',' or ']'", "a list is opened by [ here or above, and never closed"},
	{"did not find expected ',' or '}'", "a mapping is opened by { here or above, and never closed"},
}

func hintFor(text string) string {
	for _, known := range mistakes {
		if strings.Contains(text, known.words) {
			return known.hint
		}
	}
	return "check the quotes and the indentation of this line and those above"
}

// tabLine finds the line nearest to an error, from 1, that a tab indents; 0 when there is none.
func tabLine(text []byte, near int) int {
	found, number := 0, 0
	for line := range bytes.Lines(text) {
		number++
		indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
		if bytes.IndexByte(indent, '\t') < 0 || len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if found == 0 || abs(number-near) < abs(found-near) {
			found = number
		}
	}
	return found
}

func abs(n int) int { return max(n, -n) }
