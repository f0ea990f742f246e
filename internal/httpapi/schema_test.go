package httpapi_test

import (
	"fmt"
	"slices"
	"strings"
)

// checker validates JSON values against the part of JSON Schema that the OpenAPI document uses. A keyword that it does not know
// is a problem, so that it can never pass something by not looking.
type checker struct {
	document map[string]any
}

func (c checker) value(at string, value any, schema map[string]any) (problems []string) {
	if reference, ok := schema["$ref"].(string); ok {
		target := any(c.document)
		for part := range strings.SplitSeq(strings.TrimPrefix(reference, "#/"), "/") {
			target = target.(map[string]any)[part]
		}
		return c.value(at, value, target.(map[string]any))
	}
	for keyword := range schema {
		if !slices.Contains([]string{"type", "properties", "required", "additionalProperties", "items", "enum", "minimum", "format", "description"}, keyword) {
			problems = append(problems, fmt.Sprintf("%s: keyword %s is not checked", at, keyword))
		}
	}
	if words, ok := schema["enum"].([]any); ok && !slices.Contains(words, value) {
		problems = append(problems, fmt.Sprintf("%s: %v is none of %v", at, value, words))
	}
	if kind, ok := schema["type"].(string); ok && kind != typeOf(value) {
		return append(problems, fmt.Sprintf("%s: %v is a %s, want %s", at, value, typeOf(value), kind))
	}
	switch v := value.(type) {
	case map[string]any:
		problems = append(problems, c.object(at, v, schema)...)
	case []any:
		items, described := schema["items"].(map[string]any)
		if !described {
			break
		}
		for i, item := range v {
			problems = append(problems, c.value(fmt.Sprintf("%s[%d]", at, i), item, items)...)
		}
	}
	return problems
}

func (c checker) object(at string, value, schema map[string]any) (problems []string) {
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := value[name.(string)]; !ok {
			problems = append(problems, fmt.Sprintf("%s: %s is missing", at, name))
		}
	}
	for name, item := range value {
		sub, ok := properties[name].(map[string]any)
		if !ok {
			sub, ok = schema["additionalProperties"].(map[string]any)
		}
		if ok {
			problems = append(problems, c.value(at+"."+name, item, sub)...)
		} else if schema["additionalProperties"] == false {
			problems = append(problems, fmt.Sprintf("%s: %s is not described", at, name))
		}
	}
	return problems
}

func typeOf(value any) string {
	switch v := value.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	}
	return "null"
}
