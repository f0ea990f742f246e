package term_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/term"
)

var update = flag.Bool("update", false, "write the golden files")

var now = time.Date(2026, 1, 31, 15, 0, 0, 0, time.UTC)

func printer(out *strings.Builder) *term.Printer {
	p := term.New(out, func(string) string { return "" })
	p.Now = func() time.Time { return now }
	return p
}

func changes() []v1alpha1.Change {
	return []v1alpha1.Change{
		{ID: v1alpha1.ObjectID{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}, Op: "update", Cause: "drift",
			Origin: "apps/web.yaml:12", TookOver: []string{"kubectl-edit: /spec/replicas"}, Fields: []v1alpha1.Field{
				{Path: "/spec/replicas", Old: "5", New: "2", By: "kubectl-edit", When: now.Add(-3 * time.Minute)},
				{Path: "/metadata/labels/team", New: `"shop\u001b[31m"` + "\x1b[31m"},
				{Path: "/spec/paused", Old: "true"},
			}},
		{ID: v1alpha1.ObjectID{Kind: "Secret", Namespace: "shop", Name: "db"}, Op: "create", Cause: "revision", Fields: []v1alpha1.Field{
			{Path: "/data/password", New: "secret:" + strings.Repeat("é", 300)}}},
		{ID: v1alpha1.ObjectID{Kind: "ConfigMap", Namespace: "shop", Name: "old"}, Op: "delete", Cause: "revision"},
		{ID: v1alpha1.ObjectID{Group: "batch", Kind: "Job", Namespace: "shop", Name: "migrate"}, Op: "replace", Error: &v1alpha1.Problem{
			Kind: "Invalid", Message: "spec.template: field is immutable\nspec.completions: must be positive", Hint: "annotate it with setpoint.dev/force: \"true\""}},
		{ID: v1alpha1.ObjectID{Kind: "Service", Namespace: "shop", Name: "web"}, Op: "adopt"},
	}
}

func TestGolden(t *testing.T) {
	table := func(p *term.Printer) {
		p.Table([]string{"NAME", "STATE", "MESSAGE"}, []term.Row{
			{Cells: []term.Cell{{"shop", term.Bold}, {"InSync", term.Good}, {"", term.Plain}}},
			{Cells: []term.Cell{{"データベース", term.Bold}, {"Failed", term.Bad}, {"a message that is longer than a narrow terminal is wide", term.Plain}},
				Detail: []term.Cell{{"✗ first\nproblem", term.Bad}, {"  hint: mend it", term.Dim}}},
			{Cells: []term.Cell{{"e\u0301te\u0301\x1b[2J", term.Bold}, {"Held", term.Warn}, {"the name has combining marks and an escape", term.Plain}}},
		})
	}
	tree := func(p *term.Printer) {
		leaf := func(name string) term.Node {
			return term.Node{Cells: []term.Cell{{"✓", term.Good}, {name, term.Plain}}}
		}
		p.Tree([]term.Node{{Cells: []term.Cell{{"●", term.Good}, {"root", term.Bold}, {"", term.Plain}, {"main@1a2b3c4", term.Dim}}, Children: []term.Node{
			{Cells: []term.Cell{{"shop", term.Bold}}, Children: []term.Node{leaf("Service/shop/web"), leaf("Secret/shop/db")}},
			{Cells: []term.Cell{{"db", term.Bold}}, Children: []term.Node{leaf("Namespace/db")}},
		}}, leaf("other")})
	}
	for name, test := range map[string]struct {
		print func(p *term.Printer)
		setup func(p *term.Printer)
	}{
		"table":         {table, nil},
		"table-narrow":  {table, func(p *term.Printer) { p.Width = 48 }},
		"table-colour":  {table, func(p *term.Printer) { p.Color = true }},
		"tree":          {tree, nil},
		"changes":       {func(p *term.Printer) { p.Changes(changes()); p.Line(term.Sum(changes())) }, nil},
		"changes-color": {func(p *term.Printer) { p.Changes(changes()[:2]) }, func(p *term.Printer) { p.Color = true }},
		"hint":          {func(p *term.Printer) { p.Hint("look\x1b]0;x\a here"); p.Hint("") }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			p := printer(&out)
			if test.setup != nil {
				test.setup(p)
			}
			test.print(p)
			golden(t, name, out.String())
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if difference := cmp.Diff(string(want), got); difference != "" {
		t.Errorf("want -, got + (go test -update writes the file):\n%s", difference)
	}
}

func TestWidthAndCut(t *testing.T) {
	for _, test := range []struct {
		text    string
		width   int
		columns int
		cut     string
	}{
		{"", 0, 4, ""},
		{"plain", 5, 5, "plain"},
		{"plain", 5, 4, "pla…"},
		{"日本語", 6, 5, "日本…"},
		{"日本語", 6, 4, "日…"},
		{"e\u0301a", 2, 2, "e\u0301a"},
		{"a b c", 5, 3, "a…"},
	} {
		if got := term.Width(test.text); got != test.width {
			t.Errorf("Width(%q) = %d, want %d", test.text, got, test.width)
		}
		if got := term.Cut(test.text, test.columns); got != test.cut {
			t.Errorf("Cut(%q, %d) = %q, want %q", test.text, test.columns, got, test.cut)
		}
	}
}

func TestCleanTakesOutWhatSteersATerminal(t *testing.T) {
	for text, want := range map[string]string{
		"a\x1b[31mb\x07":    "a[31mb",
		"one\r\ntwo\tthree": "one two three",
		"\u202egnp.exe":     "gnp.exe",
		"\u009b31m":         "31m",
		"bad\xffbyte":       "badbyte",
	} {
		if got := term.Clean(text); got != want {
			t.Errorf("Clean(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestSpans(t *testing.T) {
	p := printer(&strings.Builder{})
	for d, want := range map[time.Duration]string{
		850 * time.Millisecond: "850ms", 2500 * time.Millisecond: "2.5s", 12 * time.Second: "12s", 3 * time.Minute: "3m",
		90 * time.Minute: "1h", 47 * time.Hour: "47h", 72 * time.Hour: "3d", -time.Second: "0s",
	} {
		if got := term.Span(d); got != want {
			t.Errorf("Span(%v) = %q, want %q", d, got, want)
		}
	}
	if got := p.Since(now.Add(time.Hour)); got != "0s" {
		t.Errorf("the future: %q", got)
	}
	if got := p.Since(time.Time{}); got != "" {
		t.Errorf("no time: %q", got)
	}
	if got := p.Until(now.Add(12 * time.Second)); got != "in 12s" {
		t.Errorf("until: %q", got)
	}
}

func TestFormatsComeFromOneValue(t *testing.T) {
	value := map[string]any{"name": "shop <&>", "count": 2}
	for format, want := range map[term.Format]string{
		term.FormatJSON:  "{\n  \"count\": 2,\n  \"name\": \"shop <&>\"\n}\n",
		term.FormatYAML:  "count: 2\nname: shop <&>\n",
		term.FormatTable: "the table\n",
	} {
		var out strings.Builder
		p := printer(&out)
		if err := p.Show(format, value, func() { p.Line("the table") }); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("%s: %q, want %q", format, out.String(), want)
		}
	}
	var format term.Format
	if err := format.Set("xml"); err == nil {
		t.Error("xml was taken")
	}
}

func TestProgress(t *testing.T) {
	say := func(p *term.Printer) {
		g := p.Progress()
		for _, text := range []string{"one", "one", "two"} {
			g.Now(text)
		}
		g.End()
	}
	var plain, live strings.Builder
	say(printer(&plain))
	p := printer(&live)
	p.Live = true
	say(p)
	if got, want := plain.String(), "one\ntwo\n"; got != want {
		t.Errorf("plain: %q, want %q", got, want)
	}
	if got, want := live.String(), "\r\x1b[Kone\r\x1b[Ktwo\r\x1b[K"; got != want {
		t.Errorf("live: %q, want %q", got, want)
	}
}
