package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// kinds are what mixed objects are made of, and where the API server has them.
var kinds = []string{"ConfigMap", "Secret", "ServiceAccount", "Deployment"}

func collection(kind, namespace string) string {
	group := "/api/v1"
	if kind == "Deployment" {
		group = "/apis/apps/v1"
	}
	return fmt.Sprintf("%s/namespaces/%s/%ss/", group, namespace, strings.ToLower(kind))
}

// object is one declaration, in JSON, which is YAML too.
type object struct {
	kind, name string
	json       string
}

// objects declares so many: ConfigMaps, or the four kinds in turn.
func objects(namespace string, count int, mixed bool) []object {
	made := make([]object, count)
	for i := range made {
		kind := kinds[0]
		if mixed {
			kind = kinds[i%len(kinds)]
		}
		made[i] = declare(kind, namespace, fmt.Sprintf("object-%04d", i), "value")
	}
	return made
}

func declare(kind, namespace, name, value string) object {
	content := map[string]any{
		"apiVersion": "v1", "kind": kind,
		"metadata": map[string]any{"name": name, "namespace": namespace, "labels": map[string]any{"app": "bench"}},
	}
	switch kind {
	case "ConfigMap":
		content["data"] = map[string]any{"key": value, "other": "text"}
	case "Secret":
		content["stringData"] = map[string]any{"key": value}
	case "Deployment":
		labels := map[string]any{"app": name}
		content["apiVersion"] = "apps/v1"
		content["spec"] = map[string]any{
			"replicas": 1, "selector": map[string]any{"matchLabels": labels},
			"template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": map[string]any{
				"containers": []any{map[string]any{
					"name": "main", "image": "example.com/image:1", "ports": []any{map[string]any{"containerPort": 8080}},
					"resources": map[string]any{"requests": map[string]any{"cpu": "100m", "memory": "128Mi"}},
				}},
			}},
		}
	}
	data, err := json.Marshal(content)
	if err != nil {
		panic(err) // it is made of strings
	}
	return object{kind: kind, name: name, json: string(data)}
}

// files gives each object a file of its own below a folder, a hundred to a directory.
func files(folder string, list []object) map[string]string {
	made := map[string]string{}
	for i, one := range list {
		made[fmt.Sprintf("%s/%02d/%s.yaml", folder, i/100, one.name)] = one.json + "\n"
	}
	return made
}
