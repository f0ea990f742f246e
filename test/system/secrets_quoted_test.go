package system_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// breaking are the secrets of TestFailuresQuoteNoSecret: a Secret of the cluster that charts take values from, and that substitution reads.
// Each breaks what it is used for in a way of its own.
var breaking = map[string]string{
	"WORD":     "pl4in-word",
	"LABEL":    `pl4in "label" wörd <&>`,
	"QUOTE":    `pl4in 'quote': "both" <&>`,
	"LONG":     "pl4in-long" + strings.Repeat(" pl4in-long-word", 20),
	"LINES":    "pl4in-first-line\npl4in-second-line\n",
	"PATTERN":  "pl4in-pattern(",
	"TEMPLATE": "pl4in-template {{ nothing }}",
	"YAML":     "pl4in-yaml: [pl4in-item",
	"URL":      "pl4in://%zz",
	"NUMBER":   "40719305",
}

// failure is a Sync that cannot be what it declares, and whose problem would quote the secret that is the reason for it.
type failure struct {
	spec  string // beside its path
	files map[string]string
	tells string // what its problem has to say, so that it is the one that is meant
}

// substituted is a Sync of one manifest with variables from the Secret.
func substituted(tells, manifest string) failure {
	return failure{
		spec: "substitute: {from: [{secret: {namespace: NS, name: given}}]}", tells: tells,
		files: map[string]string{"it.yaml": manifest},
	}
}

// charted is a Sync of a chart with one template, and all of the Secret among its values.
func charted(tells, template string) failure {
	var from []string
	for _, key := range slices.Sorted(maps.Keys(breaking)) {
		from = append(from, fmt.Sprintf("{secret: {namespace: NS, name: given}, key: %s, at: %s}", key, strings.ToLower(key)))
	}
	return failure{
		spec: "helm: {valuesFrom: [" + strings.Join(from, ", ") + "]}", tells: tells,
		files: map[string]string{"Chart.yaml": "apiVersion: v2\nname: it\nversion: 1.0.0\n", "templates/it.yaml": template},
	}
}

// holding is the manifest of a ConfigMap with an expression in a place of its own.
func holding(expression string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: IT}\ndata:\n  key: " + expression + "\n"
}

// schemed is a chart whose values have a schema.
func schemed(tells, schema string) failure {
	chart := charted(tells, holding("none"))
	chart.files["values.schema.json"] = schema
	return chart
}

// written is a Sync of a chart that is in sync, and writes its values into a ConfigMap in many ways.
func written() failure {
	return charted("", strings.Replace(holding("{{ toJson .Values | quote }}"), "IT", "written", 1)+`
  raw: {{ toRawJson .Values | quote }}
  rawQuote: {{ toRawJson .Values.quote | quote }}
  yaml: {{ toYaml .Values | quote }}
  yamlQuote: {{ toYaml .Values.quote | quote }}
  quoted: {{ printf "%q" .Values.quote | quote }}
  base64: {{ printf "x%s" .Values.label | b64enc }}
  within: {{ printf "to %s and fro" .Values.word | quote }}
binaryData:
  long: {{ printf "xy%s" .Values.long | b64enc }}
`)
}

// decrypted is a Sync of other files beside those that are encrypted: secret.yaml, a Secret, and app.env.
func decrypted(tells string, files map[string]string) failure {
	return failure{tells: tells, files: files}
}

// failures are Syncs by their names.
func failures() map[string]failure {
	deployment := func(field, value string) string {
		return strings.Replace(strings.TrimPrefix(deploymentOf("IT", ""), "---\n"), field, value, 1)
	}
	labelled := strings.Replace(holding("none"), "{name: IT}", `{name: IT, labels: {it: "${LABEL}"}}`, 1)
	annotated := strings.Replace(holding("none"), "{name: IT}", `{name: IT, annotations: {setpoint.dev/wave: "${WORD}"}}`, 1)
	pulled := `image: it, imagePullPolicy: "${WORD}"`
	limited := "image: it, resources: {limits: {memory: {{ .Values.label | quote }}}}"
	kustomized := func(text string) map[string]string { return map[string]string{"kustomization.yaml": text} }
	return map[string]failure{
		"replicas":    substituted("/spec/replicas: want a whole number", deployment("replicas: 1", "replicas: ${WORD}")),
		"label":       substituted("Invalid value: \"(secret)\": a valid label", labelled),
		"annotation":  substituted("setpoint.dev/wave: \"(secret)\"", annotated),
		"image":       substituted("imagePullPolicy: must be one of", deployment("image: example.com/main:1", pulled)),
		"own-time":    substituted("spec.timeout: \"(secret)\" is not a duration", syncOf("IT-inner", `path: IT, timeout: "${WORD}"`)),
		"own-url":     substituted("holds credentials", syncOf("IT-inner", `source: {git: {url: "http://me:${WORD}@127.0.0.1:1/it.git"}}`)),
		"own-scheme":  substituted("is not the URL", syncOf("IT-inner", `source: {git: {url: "${URL}"}}`)),
		"name":        substituted("a secret value would go into metadata.name", strings.Replace(holding("none"), "IT", `"${WORD}"`, 1)),
		"quantity":    charted("memory: want a quantity", deployment("image: example.com/main:1", limited)),
		"fail":        charted("(secret) \"(secret)\" (secret)", `{{ with .Values }}{{ fail (printf "%s %q %v" .word .quote .lines) }}{{ end }}`),
		"fail-all":    charted("the chart says: label: ", `{{ fail (toYaml .Values) }}`),
		"fail-json":   charted("the chart says: {", `{{ fail (toJson .Values) }}`),
		"fail-raw":    charted("the chart says: {", `{{ fail (toRawJson .Values) }}`),
		"fail-coded":  charted("the chart says: ", `{{ fail (printf "x%s" .Values.word | b64enc) }}`),
		"fail-number": charted("the chart says: (secret)", `{{ fail .Values.number }}`),
		"pattern":     charted("missing closing ): `(secret)`", holding(`{{ mustRegexMatch .Values.pattern "x" }}`)),
		"template":    charted("\"nothing\" not defined", holding(`{{ tpl .Values.template . }}`)),
		"include":     charted("no template \"(secret)\"", holding(`{{ include .Values.word . }}`)),
		"date":        charted("cannot parse \"(secret)\"", holding(`{{ mustToDate "2006" .Values.word }}`)),
		"yaml":        charted("what it gives is no manifest", holding(`{{ .Values.yaml }}`)),
		"address":     charted("unable to parse url: parse \"(secret)\"", holding(`{{ urlParse .Values.url }}`)),
		"schema-a":    schemed("got string, want integer", `{"properties": {"word": {"pattern": "x$"}, "lines": {"type": "integer"}}}`),
		"schema-b":    schemed("value must be 1", `{"additionalProperties": false, "properties": {"url": {"const": 1}}}`),
		"values": {
			spec: "helm: {valuesFrom: [{secret: {namespace: NS, name: given}, key: YAML}]}", tells: "it is no YAML mapping",
			files: charted("", holding("none")).files,
		},
		"error":    decrypted("it is TOKEN=(secret)", map[string]string{"main.jsonnet": `error "it is " + importstr "app.env"`}),
		"integer":  decrypted("TOKEN=(secret)", map[string]string{"main.jsonnet": `std.parseInt(importstr "app.env")`}),
		"resource": decrypted("missing Resource metadata", kustomized("resources: [app.env]\n")),
		"patch":    decrypted("no matches for Id", kustomized("patches: [{path: secret.yaml}]\n")),
		"json6902": decrypted("unable to parse SM or JSON patch", kustomized("patches: [{path: app.env, target: {}}]\n")),
		"replaced": decrypted("cannot decode !!str `(secret)`", map[string]string{
			"kustomization.yaml": "resources: [secret.yaml, it.yaml]\nreplacements:\n" +
				"- source: {kind: Secret, fieldPath: stringData.password}\n" +
				"  targets: [{select: {kind: Deployment}, fieldPaths: [spec.replicas]}]\n",
			"it.yaml": strings.ReplaceAll(deploymentOf("IT", ""), ", namespace: NS", ""),
		}),
	}
}

// TestFailuresQuoteNoSecret has many Syncs fail at once, each of a secret in another place, so that the one who refuses it would quote it.
func TestFailuresQuoteNoSecret(t *testing.T) {
	s := newSecretScene(t)
	given := ""
	for _, key := range slices.Sorted(maps.Keys(breaking)) {
		given += fmt.Sprintf("%s: %q, ", key, breaking[key])
	}
	s.gives("given", given)
	cases := failures()
	fleet := maps.Clone(cases)
	fleet["written"] = written()
	s.commit("Fail in every way", fleetOf(fleet, s.layer("1/shop")))
	s.listenTo()
	for name, failure := range cases {
		s.waitProblem(name, "Failed", failure.tells)
	}
	s.agent.WaitInSync("written")
	s.eavesdrop("written", "fail-all", "label", "own-time", "replaced", "schema-a", "error")
	s.search("written")
	s.notTold(append(slices.Collect(maps.Values(breaking)), firstLogin, firstDotenv, "pl4in-first-line", "pl4in-second-line"),
		map[string]string{
			"log": "the chart says", "disk setpoint.db": "the chart says", "1 GET syncs/fail-all": "the chart says",
			"1 GET syncs/written/objects": "hmac:", "1 setpoint status fail-all": "the chart says",
			"1 setpoint tree --why": "the chart says",
		})
}

// fleetOf gives the files of a repository whose root declares a Sync for each failure. IT stands for the Sync's name in its files.
func fleetOf(cases map[string]failure, beside map[string]string) map[string]string {
	files := map[string]string{"kustomization.yaml": "resources: [fleet.yaml]\n"}
	for name, failure := range cases {
		spec := "path: " + name + ", to: {kubernetes: {namespace: NS}}"
		if failure.spec != "" {
			spec += ", " + failure.spec
		}
		files["fleet.yaml"] += syncOf(name, spec)
		for file, text := range failure.files {
			files[name+"/"+file] = strings.ReplaceAll(text, "IT", name)
		}
		if failure.spec == "" {
			for _, file := range []string{"app.env", "secret.yaml"} {
				files[name+"/"+file] = beside[file]
			}
		}
	}
	return files
}
