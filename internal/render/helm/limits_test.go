package helm

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

const chartFile = "apiVersion: v2\nname: hostile\nversion: 0.1.0\n"

// hostile are templates that would take all memory or never end.
var hostile = map[string]string{
	"nested ranges":        `{{ range $i := 1000000000 }}{{ range $j := 1000000000 }}{{ end }}{{ end }}`,
	"range without a body": `{{ range $i := 1000000000 }}{{ end }}`,
	"range that writes":    `{{ range $i := 1000000000 }}x{{ end }}`,
	"break after the turn": `{{ range $i := 1000000000 }}{{ if false }}{{ break }}{{ end }}{{ end }}`,
	"repeat":               `{{ repeat 1000000000 "x" }}`,
	"repeat, piped":        `{{ "x" | repeat 1000000000 }}`,
	"until":                `{{ until 1000000000 }}`,
	"untilStep":            `{{ untilStep 0 1000000000 1 }}`,
	"untilStep at the end": `{{ untilStep 9223372036854775800 9223372036854775807 100 }}{{ untilStep 0 9223372036854775807 1 }}`,
	"seq":                  `{{ seq 1 1000000000 }}`,
	"doubling":             `{{ $x := "xx" }}{{ range $i := 1000000 }}{{ $x = cat $x $x }}{{ end }}`,
	"doubling by printf":   `{{ $x := "xx" }}{{ range $i := 1000000 }}{{ $x = printf "%s%s" $x $x }}{{ end }}`,
	"doubling lists":       `{{ $x := list 1 }}{{ range $i := 1000000 }}{{ $x = concat $x $x }}{{ end }}`,
	"keeping all":          `{{ $d := dict }}{{ range $i := 1000000 }}{{ $_ := set $d (toString $i) (repeat 100000 "x") }}{{ end }}`,
	"sharing":              `{{ $x := list "xxxxxxxxxx" }}{{ range $i := 100 }}{{ $x = list $x $x }}{{ end }}{{ toYaml $x }}`,
	"itself, printed":      `{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ $d }}`,
	"itself, as text":      `{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ toString $d }}`,
	"itself, as pretty":    `{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ toYamlPretty $d }}`,
	"itself, as number":    `{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ int $d }}`,
	"itself, merged":       `{{ $d := dict }}{{ $_ := merge $d (dict "a" (dict "d" $d)) }}{{ deepCopy $d }}`,
	"itself, in an error":  `{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ fail (print $d) }}`,
	"values in themselves": `{{ $_ := set .Values "self" .Values }}{{ .Values.YAML }}{{ .Values }}`,
	"deep":                 `{{ $d := dict }}{{ range $i := 4000000 }}{{ $d = dict "d" $d }}{{ end }}{{ $d }}`,
	"printf":               `{{ printf "%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d" 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 }}`,
	"printf, star":         `{{ printf (repeat 1000 "%*d") 999999 1 }}`,
	"printf, indexed":      `{{ printf (repeat 100000 "%[1]s") (repeat 10000 "x") }}`,
	"indent":               `{{ indent 1000000000 "x" }}`,
	"nindent":              `{{ nindent 100000 (repeat 10000 "x\n") }}`,
	"replace":              `{{ replace "x" (repeat 1000000 "y") (repeat 1000000 "x") }}`,
	"join":                 `{{ join (repeat 1000000 "y") (until 1000000) }}`,
	"wrapWith":             `{{ wrapWith 1 (repeat 1000000 "y") (repeat 1000000 "x ") }}`,
	"regexReplaceAll":      `{{ regexReplaceAll "x" (repeat 1000000 "x") (repeat 1000000 "y") }}`,
	"regex groups":         `{{ regexReplaceAll "(x+)" (repeat 1000000 "x") (repeat 1000000 "${1}") }}`,
	"regex size":           `{{ regexMatch "((((x{100}){10}){10}){10})$" (repeat 1000000 "x") }}`,
	"uniq":                 `{{ uniq (until 500000) }}`,
	"random":               `{{ randAlphaNum 1000000000 }}`,
	"keys":                 `{{ range $i := 1000000 }}{{ genPrivateKey "ed25519" }}{{ end }}`,
	"passwords":            `{{ range $i := 1000000 }}{{ derivePassword $i "none" "" "" "" }}{{ end }}`,
	"tpl of itself":        `{{ $t := "{{ tpl .t . }}" }}{{ tpl $t (dict "t" $t "Template" .Template) }}`,
	"tpl that loops":       `{{ tpl "{{ range $i := 1000000000 }}{{ end }}" . }}`,
	"tpl that defines":     `{{ tpl "{{ define \"a\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}" . }}`,
	"include of itself":    `{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`,
	"two includes":         `{{ define "a" }}{{ include "b" . }}{{ include "b" . }}{{ end }}{{ define "b" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`,
	"template of itself":   `{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}`,
	"many includes":        `{{ define "a0" }}{{ end }}{{ define "a1" }}{{ range $i := 10000 }}{{ include "a2" . }}{{ end }}{{ end }}{{ define "a2" }}{{ range $i := 10000 }}{{ include "a0" . }}{{ end }}{{ end }}{{ include "a1" . }}`,
	"yaml bomb":            `{{ fromYaml "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]" }}`,
	"much yaml":            `{{ fromYaml (repeat 5000000 "- ") }}`,
	"files":                `{{ $d := dict }}{{ range $i := 1000000 }}{{ $_ := set $d (toString $i) ($.Files.Get "big.txt") }}{{ end }}`,
	"files as an argument": `{{ $d := dict }}{{ range $i := 1000000 }}{{ $_ := set $d (toString $i) $.Files.AsConfig }}{{ end }}`,
	"glob":                 `{{ .Files.Glob "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b" }}`,
	"writes much":          `{{ $x := repeat 1000000 "x" }}{{ range $i := 1000000 }}{{ $x }}{{ end }}`,
}

// TestHostileTemplates are refused with their names, and take no more memory than is said.
func TestHostileTemplates(t *testing.T) {
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"app/Chart.yaml": chartFile, "app/templates/bad.yaml": "# first line\n" + text, "app/big.txt": strings.Repeat("a", 200_000)}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			err := renderOnly(t.Context(), files)
			runtime.ReadMemStats(&after)
			if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "app/templates/bad.yaml") {
				t.Errorf("%v", err)
			}
			if err != nil && len(err.Error()) > 2000 {
				t.Errorf("an error of %d letters", len(err.Error()))
			}
			if grown := int64(after.Sys) - int64(before.Sys); grown > 1<<30 {
				t.Errorf("memory has grown by %d MiB", grown>>20)
			}
		})
	}
}

// small are the limits in twentieths, so that tests come to them sooner.
func small() limits {
	l := defaultLimits
	l.steps, l.made, l.output = l.steps/20, l.made/20, l.output/20
	return l
}

func renderOnly(ctx context.Context, files map[string]string) error {
	artifact := memory.New(state.Revision{ID: "1"}, files)
	_, err := New(Options{limits: small()}).Render(ctx, render.Request{Artifact: artifact, Path: "app", Name: "demo"})
	return err
}

// TestTheContextEndsTemplates that are within their limits.
func TestTheContextEndsTemplates(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	files := map[string]string{"app/Chart.yaml": chartFile, "app/templates/x.yaml": `{{ range $i := 100000 }}{{ end }}`}
	if err := renderOnly(ctx, files); fault.KindOf(err) != fault.Transient {
		t.Errorf("%v, want an error of kind Transient", err)
	}
}

// TestPanicsAreErrors of the chart.
func TestPanicsAreErrors(t *testing.T) {
	for _, text := range []string{
		`{{ repeat -1 "x" }}`, `{{ index (list 1) 5 }}`, `{{ chunk 0 (list 1) }}`, `{{ div 1 0 }}`, `{{ randInt 0 0 }}`, `{{ first nil }}`,
		`{{ slice (list 1) 3 9 }}`, `{{ decryptAES "x" "AAAA" }}`, `{{ substr 5 2 "abc" }}`, `{{ .Values.a.b.c }}`, `{{ setpointTurn }}`,
		`{{ nope }}`, `{{ if }}`, `{{ template "nope" }}`, `{{ include "nope" . }}`, `{{ mustRegexMatch "(" "x" }}`, `{{ dig }}`,
	} {
		files := map[string]string{"app/Chart.yaml": chartFile, "app/templates/bad.yaml": text}
		if err := renderOnly(t.Context(), files); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "templates/bad.yaml") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
