package httpapi

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// document gives the OpenAPI 3.1 description of the routes.
func document(version string) map[string]any {
	if version == "" {
		version = "unknown"
	}
	schemas := schemas{}
	paths := map[string]any{}
	for _, r := range routes() {
		item, _ := paths[r.path].(map[string]any)
		if item == nil {
			item = map[string]any{}
			paths[r.path] = item
		}
		item[strings.ToLower(r.method)] = operation(r, schemas)
	}
	return map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{
			"title":       "Setpoint",
			"version":     version,
			"description": "The HTTP API of a Setpoint agent. Every error is an ErrorAnswer.",
			"license":     map[string]any{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"paths": paths,
		"components": map[string]any{
			"schemas": map[string]any(schemas),
			"securitySchemes": map[string]any{
				"token": map[string]any{"type": "http", "scheme": "bearer", "description": "SETPOINT_TOKEN, where the agent has one"},
			},
		},
		"security": []any{map[string]any{"token": []any{}}, map[string]any{}},
	}
}

var inPath = regexp.MustCompile(`\{([a-z]+)\}`)

func operation(r route, schemas schemas) map[string]any {
	parameters := []any{}
	for _, match := range inPath.FindAllStringSubmatch(r.path, -1) {
		parameters = append(parameters, map[string]any{
			"name": match[1], "in": "path", "required": true, "schema": map[string]any{"type": "string"},
		})
	}
	for _, p := range r.query {
		parameters = append(parameters, map[string]any{"name": p.name, "in": "query", "description": p.about, "schema": p.schema})
	}
	op := map[string]any{
		"operationId": r.id,
		"summary":     r.summary,
		"parameters":  parameters,
		"responses": map[string]any{
			strconv.Itoa(r.status()): map[string]any{
				"description": "done",
				"content":     map[string]any{r.mediaType(): map[string]any{"schema": schemas.of(r)}},
			},
			"default": map[string]any{
				"description": "an error",
				"content":     map[string]any{mediaJSON: map[string]any{"schema": schemas.ref(reflect.TypeFor[v1alpha1.ErrorAnswer]())}},
			},
		},
	}
	if r.body != nil {
		op["requestBody"] = map[string]any{
			"content": map[string]any{mediaJSON: map[string]any{"schema": schemas.ref(reflect.TypeOf(r.body))}},
		}
	}
	if r.open {
		op["security"] = []any{}
	}
	return op
}

// schemas are the named ones of the document.
type schemas map[string]any

// of gives the schema of a route's answer.
func (s schemas) of(r route) map[string]any {
	switch {
	case r.result != nil:
		return s.ref(reflect.TypeOf(r.result))
	case r.mediaType() == mediaText:
		return map[string]any{"type": "string"}
	}
	return map[string]any{} // any JSON
}
