package document_test

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// head makes an object of a value, so that the whole reader is under test.
const head = "apiVersion: v1\nkind: Thing\nmetadata: {name: x}\n"

// likeKubectl gives what kubectl sends to an API server for a YAML document.
func likeKubectl(text []byte) (map[string]any, error) {
	data, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, err
	}
	object, err := state.DecodeObject(data, state.Origin{})
	if err != nil {
		return nil, err
	}
	return object.Content(), nil
}

// scalars are the places where YAML 1.1, YAML 1.2 and JSON read the same text differently.
var scalars = []string{
	"yes", "Yes", "YES", "yEs", "no", "on", "Off", "y", "n", "Y", "N", "true", "TRUE", "tRUE", "~", "null", "Null", "",
	"0", "-0", "+1", "-1", "0777", "0o777", "08", "0x1F", "0b101", "-0b11", "1_000", "0_1", "123456789012345678",
	"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615",
	"18446744073709551616", "1e3", "1E3", "1e+3", "1.0", "1.", ".5", "-.5", "+.5", "1.5e-7", "1e21", "1e20", "1e999", "-0.0",
	"9007199254740993", "1.7976931348623157e308", "0.1", "3.14_15", "12:30:45", "190:20:30", "1:20", "2001-12-14",
	"2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43.10", "2001-1-1", "2001-13-45", "'yes'", `"1"`, "!!str 1", "!!str yes",
	"!!int 3", `!!int "3"`, "!!float 3", "!!bool yes", `!!bool "yes"`, "!!null ~", "!!binary aGVsbG8=", "!custom 12",
	"<<", "1.2.3", "1,000", "0x", "0xg", "--", "-", "+", ".", "..", "._1", "1__0", "_1", "a: ", "1 # c", "10m", "1Gi", "=",
	"!!timestamp 2001-12-14", "!!timestamp foo", "!!int foo", "!!bool foo", "!!float 1.5", "!!int 1.5",
	"|\n  a\n  b\n", ">-\n  a\n  b\n", "|+\n  a\n\n", "[a, yes, 010, {b: 1}]", "{1: a, true: b, 1.5: c, x: }", "[]", "{}",
	"{? a : b}", "[? a]", "&a {x: 1}", "!<tag:yaml.org,2002:str> 5", "!<tag:yaml.org,2002:int> 5",
}

func TestScalarsAreThoseOfKubectl(t *testing.T) {
	for _, text := range scalars {
		checkLikeKubectl(t, []byte(head+"spec: "+text+"\n"))
		checkLikeKubectl(t, []byte(head+"spec:\n  - "+text+"\n"))
		checkLikeKubectl(t, []byte(head+"spec: {? "+text+" : 1}\n"))
	}
}

func TestDocumentsAreThoseOfKubectl(t *testing.T) {
	for _, text := range []string{
		"base: &b {a: 1, c: 2}\nspec: {<<: *b, a: 3}\n",
		"base: &b {a: 1, c: 2}\nspec: {a: 3, <<: *b}\n",
		"base: &b {a: 1, c: 2}\nother: &o {a: 5, d: 6}\nspec: {<<: [*b, *o], e: 7}\n",
		"base: &b {a: 1, c: 2}\nspec: {<<: {a: 9}, c: 4}\n",
		"base: &b [1, 2]\nspec: *b\n", "spec: &a\n  x: &c 1\n  y: *c\n", "spec: {'<<': 1}\n",
		"k: &k name\nspec: {*k : 1}\n", "# only\nspec:\n# a comment\n  a: b # here\n",
		"spec: \"\\u263A \\x41 \\t\"\n", "spec: 'it''s'\n", "spec: a\n  b\n  c\n", "spec: \"a\\\n  b\"\n",
		"spec:\n- a\n-\n  - b\n- - c\n", "spec: |\n  --- not a marker\n  text\n", "spec: \"\xc3\xa9\"\r\nx: 1\r\n",
	} {
		checkLikeKubectl(t, []byte(head+text))
	}
}

// checkLikeKubectl reads a document both ways. Setpoint may refuse more than kubectl, but nothing may differ.
func checkLikeKubectl(t *testing.T, text []byte) {
	t.Helper()
	got, err := document.Read(text, "x.yaml")
	want, wantErr := likeKubectl(text)
	if err != nil {
		if wantErr == nil {
			t.Logf("only Setpoint refuses %q: %v", text, err)
		}
		return
	}
	if wantErr != nil {
		t.Errorf("%q: kubectl refuses it: %v", text, wantErr)
		return
	}
	if len(got) != 1 {
		t.Errorf("%q gives %d documents", text, len(got))
		return
	}
	if diff := cmp.Diff(want, got[0].Object.Content()); diff != "" {
		t.Errorf("%q is not what kubectl reads (-kubectl +setpoint):\n%s", text, diff)
	}
}

var (
	lonelyTag     = regexp.MustCompile(`!([^!<a-z]|$)`)
	tabbedComment = regexp.MustCompile(`(?m)^ *\t[ \t]*(#|$)`)
)

func FuzzLikeKubectl(f *testing.F) {
	for _, text := range scalars {
		f.Add("spec: " + text + "\n")
	}
	f.Add("a: &a {x: 1}\nb: {<<: *a}\n")
	f.Fuzz(func(t *testing.T, text string) {
		if lonelyTag.MatchString(text) {
			return // the parser drops the non-specific tag "!"; nobody writes it
		}
		if tabbedComment.MatchString(text) {
			return // a tab before a comment is white space (YAML 1.2, 6.6); kubectl's older parser refuses it, here after a comment only
		}
		data := []byte(head + text)
		documents, err := document.Read(data, "x.yaml")
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Fatalf("%q: kind %s: %v", text, fault.KindOf(err), err)
		}
		if err == nil && len(documents) == 1 { // kubectl's library reads only the first of several
			checkLikeKubectl(t, data)
		}
	})
}

func TestOrigins(t *testing.T) {
	const text = "# first\n---\n\n# a comment\n" + head + "---\n# nothing\n--- # marked\n" +
		"apiVersion: v1\nkind: ThingList\nitems:\n- metadata:\n    name: yy\n- metadata: {name: z}\n...\n"
	documents, err := document.Read([]byte(text), "x.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, doc := range documents {
		got = append(got, doc.Object.ID().String()+" "+doc.Origin.String())
	}
	want := []string{"Thing/x x.yaml:5", "Thing/yy x.yaml:14", "Thing/z x.yaml:16"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if first, second := documents[0].Origin.Document, documents[1].Origin.Document; first != 1 || second != 2 {
		t.Errorf("documents %d and %d", first, second)
	}
	for pointer, line := range map[string]int{"/metadata/name": 15, "/metadata": 14, "/metadata/labels/a": 14, "/spec": 14, "": 14} {
		if got := documents[1].Line(pointer); got != line {
			t.Errorf("%s is on line %d, want %d", pointer, got, line)
		}
	}
}

func TestJSONIsReadAsJSON(t *testing.T) {
	const text = `{"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "x"},
		"spec": {"on": "\ud83d\ude00\/", "yes": 1.0, "big": 9007199254740993, "none": null, "ok": true, "exp": 1e3}}`
	for _, file := range []string{"x.json", "x.yaml"} {
		documents, err := document.Read([]byte(text), file)
		if err != nil || len(documents) != 1 {
			t.Fatal(err)
		}
		want, err := state.DecodeObject([]byte(text), state.Origin{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Content(), documents[0].Object.Content()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", file, diff)
		}
	}
	for _, text := range []string{`{"a": 1, "a": 2}`, `{"a": `, `[1`, `{"a" 1}`, "{} x"} {
		if _, err := document.Parse([]byte(text), "x.json"); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestQuotedKnowsHowATextIsWritten(t *testing.T) {
	text := head + `spec: {flow: "x"}
plain: x
double: "x"
single: 'x'
literal: |
  x
folded: >
  x
tagged: !!str x
list: [x, "x"]
anchor: &a "x"
alias: *a
"odd/key~": "x"
`
	read, err := document.Read([]byte(text), "x.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for pointer, want := range map[string]bool{
		"/spec/flow": true, "/plain": false, "/double": true, "/single": true, "/literal": true, "/folded": true, "/tagged": true,
		"/list/0": false, "/list/1": true, "/alias": true, "/odd~1key~0": true, "/none": false, "/plain/none": false, "": false,
	} {
		if got := read[0].Quoted(pointer); got != want {
			t.Errorf("%q: %v, want %v", pointer, got, want)
		}
	}
	if read, err := document.Read([]byte(`{"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}}`), "x.json"); err != nil || !read[0].Quoted("/kind") {
		t.Errorf("a text of JSON is not quoted, %v", err)
	}
}
