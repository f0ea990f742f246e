package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// chartFiles is a chart of an ordinary size: a dozen templates with helpers, about sixty values.
func chartFiles() map[string]string {
	files := map[string]string{
		"chart/Chart.yaml":             "apiVersion: v2\nname: shop\nversion: 1.4.0\nappVersion: 2.0.0\n",
		"chart/templates/_helpers.tpl": helpers,
	}
	var values strings.Builder
	values.WriteString("nameOverride: \"\"\n")
	for i := range 12 {
		name := fmt.Sprintf("part%02d", i)
		fmt.Fprintf(&values, "%s:\n  enabled: true\n  replicas: %d\n  image: {repository: example/%s, tag: \"1.%d\"}\n  port: %d\n",
			name, 1+i%3, name, i, 8000+i)
		files["chart/templates/"+name+".yaml"] = strings.ReplaceAll(part, "PART", name)
	}
	files["chart/values.yaml"] = values.String()
	return files
}

const helpers = `{{- define "shop.name" -}}{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}{{- end }}
{{- define "shop.labels" -}}
app.kubernetes.io/name: {{ include "shop.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
`

const part = `{{- if .Values.PART.enabled }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "shop.name" . }}-PART
  labels:
    {{- include "shop.labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.PART.replicas }}
  selector:
    matchLabels: {app: PART}
  template:
    metadata:
      labels: {app: PART}
      annotations: {checksum: {{ toYaml .Values.PART | sha256sum }}}
    spec:
      containers:
      - name: PART
        image: "{{ .Values.PART.image.repository }}:{{ .Values.PART.image.tag }}"
        ports:
        - containerPort: {{ .Values.PART.port }}
        env:
        {{- range $key, $value := dict "MODE" "fast" "LEVEL" "info" "NAME" .Release.Name }}
        - name: {{ $key }}
          value: {{ $value | quote }}
        {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ include "shop.name" . }}-PART
  labels:
    {{- include "shop.labels" . | nindent 4 }}
spec:
  selector: {app: PART}
  ports: [{port: {{ .Values.PART.port }}}]
{{- end }}
`

// overlayFiles is a base of forty objects in twenty files, with an overlay that changes names, images, labels and a few fields.
func overlayFiles() map[string]string {
	files := map[string]string{}
	var resources, images strings.Builder
	for i := range 20 {
		name := fmt.Sprintf("part%02d", i)
		fmt.Fprintf(&resources, "- %s.yaml\n", name)
		fmt.Fprintf(&images, "- {name: example/%s, newTag: \"2.%d\"}\n", name, i)
		files["base/"+name+".yaml"] = fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: %[1]s}\nspec:\n  replicas: 1\n"+
			"  selector: {matchLabels: {app: %[1]s}}\n  template:\n    metadata: {labels: {app: %[1]s}}\n    spec:\n      containers:\n"+
			"      - {name: main, image: \"example/%[1]s:1\"}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: %[1]s}\n"+
			"spec: {selector: {app: %[1]s}, ports: [{port: 80}]}\n", name)
	}
	files["base/kustomization.yaml"] = "resources:\n" + resources.String()
	files["production/kustomization.yaml"] = "resources: [../base]\nnamePrefix: prod-\nlabels:\n- pairs: {tier: production}\n" +
		"replicas:\n- {name: part00, count: 3}\nimages:\n" + images.String() + "patches:\n- path: patch.yaml\n"
	files["production/patch.yaml"] = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: part01}\nspec: {replicas: 5}\n"
	return files
}

// changed gives the same files with another content of one.
func changed(files map[string]string, name, from, to string) map[string]string {
	other := maps.Clone(files)
	other[name] = strings.Replace(files[name], from, to, 1)
	return other
}

func write(dir string, files map[string]string) error {
	for name, content := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}
