package files

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"text/template"
)

// functions are what templates can call beside Go's own. All of them only compute, and those of Go that make longer texts of shorter ones
// are bounded here: a text that doubles at every turn of a loop fills the memory before it is written.
func functions() template.FuncMap {
	return template.FuncMap{
		"default":  orDefault,
		"indent":   indent,
		"join":     join,
		"lower":    strings.ToLower,
		"quote":    func(value any) string { return strconv.Quote(text(value)) },
		"required": required,
		"toJson":   toJSON,
		"upper":    strings.ToUpper,

		"html":     func(args ...any) (string, error) { return small(template.HTMLEscaper, args) },
		"js":       func(args ...any) (string, error) { return small(template.JSEscaper, args) },
		"print":    func(args ...any) (string, error) { return small(fmt.Sprint, args) },
		"printf":   printf,
		"println":  func(args ...any) (string, error) { return small(fmt.Sprintln, args) },
		"urlquery": func(args ...any) (string, error) { return small(template.URLQueryEscaper, args) },
	}
}

var errLong = errors.New("the text becomes too long")

// small makes a text of arguments that are not too long together.
func small(format func(...any) string, args []any) (string, error) {
	if length(args) > maxOutput {
		return "", errLong
	}
	return format(args...), nil
}

// printf bounds widths and repeated arguments too: each verb may write all of the arguments, and fmt bounds widths by a million.
func printf(format string, args ...any) (string, error) {
	verbs := strings.Count(format, "%")
	if verbs > 1000 || verbs*length(args)+len(format) > maxOutput {
		return "", errLong
	}
	if out := fmt.Sprintf(format, args...); len(out) <= maxOutput {
		return out, nil
	}
	return "", errLong
}

func length(args []any) int {
	total := 0
	for _, arg := range args {
		total += len(text(arg))
	}
	return total
}

func text(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	return fmt.Sprint(value)
}

// orDefault gives the value, or the default where the value is empty: {{ index .Values "port" | default 80 }}.
func orDefault(fallback any, value ...any) any {
	if len(value) == 0 || value[0] == nil {
		return fallback
	}
	if truth, ok := template.IsTrue(value[0]); ok && !truth {
		return fallback
	}
	return value[0]
}

// required gives the value, or the message as an error where it is missing or empty: {{ required "say which port" .Values.port }}.
func required(message string, value any) (any, error) {
	if value == nil || value == "" {
		return nil, errors.New(message)
	}
	return value, nil
}

func indent(spaces int, value string) (string, error) {
	if spaces < 0 || spaces > 100 || (strings.Count(value, "\n")+1)*spaces+len(value) > maxOutput {
		return "", errors.New("want 0 to 100 spaces, and not too long a text")
	}
	margin := strings.Repeat(" ", spaces)
	return margin + strings.ReplaceAll(value, "\n", "\n"+margin), nil
}

func join(separator string, list any) (string, error) {
	items := reflect.ValueOf(list)
	if kind := items.Kind(); kind != reflect.Slice && kind != reflect.Array {
		return "", fmt.Errorf("want a list to join, have %T", list)
	}
	parts, total := make([]string, items.Len()), 0
	for i := range parts {
		parts[i] = text(items.Index(i).Interface())
		if total += len(parts[i]) + len(separator); total > maxOutput {
			return "", errLong
		}
	}
	return strings.Join(parts, separator), nil
}

func toJSON(value any) (string, error) {
	data, err := json.Marshal(value)
	return string(data), err
}
