package placeholder

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/state"
)

var values = map[string]Value{
	"A": {Text: "a"}, "N": {Text: "3"}, "T": {Text: "true"}, "EMPTY": {}, "SELF": {Text: "${A} $${A}"}, "S": {Text: "s3cret", Secret: true},
	"_x9": {Text: "x"},
}

func TestTexts(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "",
		"none":                       "none",
		"${A}":                       "a",
		"x${A}y${A}z":                "xayaz",
		"${_x9}":                     "x",
		"${A:=b}":                    "a",
		"${B:=b}":                    "b",
		"${B:=}":                     "",
		"${B:=$x}":                   "$x",
		"${B:=a:=b}":                 "a:=b",
		"${EMPTY:=b}":                "",
		"$${A}":                      "${A}",
		"$${B:=b}":                   "${B:=b}",
		"$$${A}":                     "$${A}",
		"${SELF}":                    "${A} $${A}",
		"$A $(A) ${A%%x} ${A:-b}":    "$A $(A) ${A%%x} ${A:-b}",
		"${} ${9} ${A ${A.b} ${#A}":  "${} ${9} ${A ${A.b} ${#A}",
		"$${x%%y} $$ $":              "$${x%%y} $$ $",
		"${B:={}}":                   "${B:={}}",
		"for i in \"${@}\"; do :; {": "for i in \"${@}\"; do :; {",
		"${B:=$${A}}":                "${B:=${A}}",
	} {
		e := expand(text, values, MaxObject)
		if e.text != want || len(e.missing) > 0 || e.nested || e.long {
			t.Errorf("%q gives %q and %+v, want %q", text, e.text, e, want)
		}
	}
}

func TestWhatIsWrongWithATextIsTold(t *testing.T) {
	e := expand("${X} ${A} ${Y}", values, MaxObject)
	if diff := cmp.Diff([]string{"X", "Y"}, e.missing); diff != "" {
		t.Error(diff)
	}
	if e := expand("${B:=${A}}", values, MaxObject); !e.nested {
		t.Error("a variable in a default passes")
	}
	if e := expand("${A}${A}${A}", values, 2); !e.long {
		t.Error("a text beyond the limit passes")
	}
	if e := expand("x${S}", values, MaxObject); !e.secret {
		t.Error("a secret passes for none")
	}
}

// What this package makes of a scalar is what Kubernetes does, or a text.
func TestScalarsAreThoseOfKubernetesOrTexts(t *testing.T) {
	for text, changes := range map[string]bool{
		"3": true, "-3": true, "+3": true, "0": true, "true": true, "False": true, "null": true, "~": true, "": true,
		"1.5": true, "1e3": true,
		".5": true, "1.": true, "0x1F": true, "1.0": true, "-0.5": true, "9223372036854775807": true, "1.5e3": true, "5e-1": true,
		"yes": false, "on": false, "y": false, "No": false, "0777": false, "08": false, "1_000": false, "0o17": false, "0b1": false,
		"1e999":               false,
		"9223372036854775808": false, "12:30": false, "2001-12-14": false, ".nan": false, ".inf": false, "1.2.3": false, "10m": false,
		"a":  false,
		" 3": false, "3 ": false, "0xg": false, "--1": false, "tRUE": false, "-0x1": false, "1e": false, "00.5": true,
		strings.Repeat("1", 100): false,
	} {
		got := scalar(text)
		if _, isText := got.(string); isText == changes {
			t.Errorf("%q gives %#v", text, got)
			continue
		}
		if !changes {
			continue
		}
		read, err := document.Read([]byte("apiVersion: v1\nkind: Thing\nmetadata: {name: x}\nspec: "+text+"\n"), "x.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(read[0].Object.Content()["spec"], got); diff != "" {
			t.Errorf("%q (-kubectl +setpoint):\n%s", text, diff)
		}
	}
}

func TestObjects(t *testing.T) {
	content := func(text string) map[string]any {
		read, err := document.Read([]byte(text), "x.yaml")
		if err != nil {
			t.Fatal(err)
		}
		return read[0].Object.Content()
	}
	outcome := Object{Values: values, Most: 10}.In(content(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: "web-${A}", labels: {n: "${N}", "${A}/x": "${T}"}, annotations: {"x": "${S}"}}
data: {n: "${N}"}
spec:
  replicas: ${N}
  paused: ${T}
  none: ${EMPTY}
  mixed: ${N}x
  default: ${B:=7}
  selector: {matchLabels: {n: "${N}"}}
  template: {metadata: {labels: {n: "${N}"}}, spec: {containers: [{env: [{name: x, value: "${N}"}], args: ["${N}"], password: "x${S}"}]}}
`))
	if len(outcome.Problems) > 0 {
		t.Fatal(outcome.Problems)
	}
	want := content(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: "web-a", labels: {n: "3", "a/x": "true"}, annotations: {"x": "s3cret"}}
data: {n: "3"}
spec:
  replicas: 3
  paused: true
  none: null
  mixed: 3x
  default: 7
  selector: {matchLabels: {n: "3"}}
  template: {metadata: {labels: {n: "3"}}, spec: {containers: [{env: [{name: x, value: "3"}], args: ["3"], password: "xs3cret"}]}}
`)
	if diff := cmp.Diff(want, outcome.Content); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"/metadata/annotations/x", "/spec/template/spec/containers/0/password"}, outcome.Secrets); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"/metadata/labels/${A}~1x": "/metadata/labels/a~1x"}, outcome.Renamed); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsQuotedStaysText(t *testing.T) {
	quoted := func(pointer string) bool { return pointer == "/a" }
	outcome := Object{Values: values, Quoted: quoted, Most: 1}.In(map[string]any{"a": "${N}", "b": "${N}"})
	if diff := cmp.Diff(map[string]any{"a": "3", "b": int64(3)}, outcome.Content); diff != "" {
		t.Error(diff)
	}
}

func TestProblems(t *testing.T) {
	long := map[string]Value{"L": {Text: strings.Repeat("x", MaxValue)}, "S": values["S"], "A": {Text: "b"}}
	for name, one := range map[string]struct {
		content map[string]any
		says    string
	}{
		"missing":        {map[string]any{"a": []any{map[string]any{"b": "${X}"}}}, "/a/0/b: the variable X has no value"},
		"missing in key": {map[string]any{"${X}": "b"}, "/${X}: the variable X has no value"},
		"secret name": {map[string]any{"metadata": map[string]any{"name": "x-${S}"}},
			"/metadata/name: a secret value would go into metadata.name"},
		"secret kind":       {map[string]any{"kind": "${S}"}, "/kind: a secret value would go into kind"},
		"secret key":        {map[string]any{"data": map[string]any{"${S}": "x"}}, "/data/${S}: a secret value would go into a key"},
		"keys become equal": {map[string]any{"${A}": "1", "b": "2"}, `/b: the key "b" is there twice`},
		"nested":            {map[string]any{"a": "${Y:=${A}}"}, "/a: a default holds another variable"},
		"long":              {map[string]any{"a": strings.Repeat("${L}", 5)}, "/a: the object is longer than 4 MiB with its values"},
		"long together": {map[string]any{"a": "${L}", "b": "${L}", "c": "${L}", "d": "${L}x", "e": "${L}"},
			"/d: the object is longer than 4 MiB with its values"},
	} {
		t.Run(name, func(t *testing.T) {
			outcome := Object{Values: long, Most: 10}.In(one.content)
			if len(outcome.Problems) != 1 || outcome.Problems[0].Pointer+": "+outcome.Problems[0].Cause != one.says {
				t.Errorf("got %+v", outcome.Problems)
			}
			for _, problem := range outcome.Problems {
				if problem.Hint == "" || strings.Contains(problem.Cause+problem.Hint, "s3cret") {
					t.Errorf("%q says what to do and no secret", problem.Hint)
				}
			}
		})
	}
	many := map[string]any{}
	for i := range 100 {
		many[strings.Repeat("k", i+1)] = "${X}"
	}
	if outcome := (Object{Most: 7}).In(many); len(outcome.Problems) != 7 {
		t.Errorf("%d problems, want 7", len(outcome.Problems))
	}
}

// anyContent makes what an object may hold, with a taste for dollars and braces.
func anyContent() *rapid.Generator[any] {
	text := rapid.StringMatching(`([a-z]|\$|\{|\}|:=|\$\{[AB]\}|\$\{C:=d\}){0,8}`).AsAny()
	return rapid.Deferred(func() *rapid.Generator[any] {
		return rapid.OneOf(text, text, rapid.Int64().AsAny(), rapid.Bool().AsAny(),
			rapid.SliceOfN(anyContent(), 0, 3).AsAny(),
			rapid.Custom(func(t *rapid.T) any {
				return rapid.MapOfN(rapid.StringMatching(`[a-z${}]{1,4}`), anyContent(), 0, 3).Draw(t, "map")
			}))
	})
}

func TestWhatIsEscapedComesOutAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := map[string]any{"spec": anyContent().Draw(t, "content")}
		before := state.NewObject(state.DeepCopy(content).(map[string]any), state.Origin{}).Digest()
		outcome := Object{Most: 5}.In(escaped(content).(map[string]any))
		if len(outcome.Problems) > 0 {
			t.Fatalf("problems: %v", outcome.Problems)
		}
		if after := state.NewObject(outcome.Content, state.Origin{}).Digest(); after != before {
			t.Fatalf("%v became %v", content, outcome.Content)
		}
	})
}

func escaped(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, item := range v {
			out[Escape(key)] = escaped(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = escaped(item)
		}
		return out
	case string:
		return Escape(v)
	}
	return value
}

func FuzzSubstitute(f *testing.F) {
	for _, seed := range []string{"${A}", "$${A}", "${B:=c}", "${B:=${A}}", "$$$${A}${", "${A:=\n}", "x$", "${S}$${", "${A:=${"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e := expand(text, values, MaxObject)
		if !strings.Contains(text, Mark) && e.text != text {
			t.Errorf("%q holds no variable, and became %q", text, e.text)
		}
		if out := expand(Escape(text), nil, MaxObject); out.text != text || len(out.missing) > 0 || out.nested {
			t.Errorf("%q escaped and substituted is %+v", text, out)
		}
		if len(e.missing) == 0 && !e.secret && strings.Contains(e.text, "s3cret") && !strings.Contains(text, "s3cret") {
			t.Errorf("%q hides a secret", text)
		}
	})
}
