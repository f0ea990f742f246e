package helm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

const twoCharts = `apiVersion: v1
entries:
  # a comment
  podinfo:
  - annotations:
      artifacthub.io/changes: |
        - entries: x
          kind: added
    apiVersion: v2
    appVersion: 6.9.4
    created: "2025-10-09T12:26:31.000000001Z"
    description: "a description
      on two lines"
    digest: 4f0c5d6d1a8bbd3a4f4d5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2
    maintainers:
    - email: x@example.com
      name: x
    name: podinfo
    urls:
    - https://charts.example.com/podinfo-6.9.4.tgz
    - https://mirror.example.com/podinfo-6.9.4.tgz
    version: 6.9.4
  - version: "6.3.5"
    urls: [podinfo-6.3.5.tgz]
    appVersion: 1.10
  "quoted":
    -
      version: 1.0.0
      urls:
        - q.tgz
  none: []
generated: "2025-10-09T12:26:31Z"
publicKeys:
- x
`

func TestIndexes(t *testing.T) {
	created := time.Date(2025, 10, 9, 12, 26, 31, 1, time.UTC)
	digest := parseSum("4f0c5d6d1a8bbd3a4f4d5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2")
	want := map[string][]version{
		"podinfo": {
			{name: "6.9.4", app: "6.9.4", url: "https://charts.example.com/podinfo-6.9.4.tgz", sum: digest, created: created},
			{name: "6.3.5", app: "1.10", url: "podinfo-6.3.5.tgz"},
		},
		"quoted": {{name: "1.0.0", url: "q.tgz"}}, "none": nil,
	}
	json, err := yaml.YAMLToJSON([]byte(strings.Replace(twoCharts, "1.10", `"1.10"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"blocks": twoCharts, "windows": strings.ReplaceAll(twoCharts, "\n", "\r\n"), "json": string(json), "document": "---\n" + twoCharts,
		"anchors": strings.Replace(twoCharts, "appVersion: 6.9.4", "appVersion: *w", 1) + "w: &w 6.9.4\n",
	} {
		t.Run(name, func(t *testing.T) {
			x, err := readIndex(strings.NewReader(text))
			if name == "anchors" { // used before it is declared
				if fault.KindOf(err) != fault.Invalid {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, x.charts, cmp.AllowUnexported(version{}, sum{})); diff != "" {
				t.Error(diff)
			}
			if x.count != 3 {
				t.Errorf("%d versions, want 3", x.count)
			}
		})
	}
}

func TestWhatIsNoIndexIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "html": "<html><body>not found</body></html>", "text": "hello", "list": "- a\n", "other": "a: 1\nb: {c: d}\n",
		"json": `{"a": 1}`, "json list": "[1]", "entries are a list": "entries:\n- a\n",
		"tabs": "entries:\n\tpodinfo:\n", "binary": "\x00\x01\x02",
		"entries twice": "entries:\n  a:\n  - version: 1\nentries:\n  b:\n  - version: 1\n", "null": "null",
		"json null":   `{"entries": null}`,
		"chart twice": "entries:\n  a:\n  - version: 1\n  a:\n  - version: 1\n",
	} {
		if _, err := readIndex(strings.NewReader(text)); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEntriesThatAreNoneAreLeftOut(t *testing.T) {
	text := "entries:\n  a:\n" +
		"  - version: [1]\n    urls: [x]\n" + // no text
		"  - urls: [x]\n" + // no version
		"  - version: " + strings.Repeat("9", 300) + "\n" +
		"  - version: 1.0.0\n    urls: [" + strings.Repeat("x", 100_000) + "]\n" + // a line beyond what is kept
		"  - description: " + strings.Repeat("x", 300_000) + "\n    version: 2.0.0\n" + // which does not count
		"  - version: 3.0.0\n    digest: nonsense\n"
	x, err := readIndex(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []version{{name: "2.0.0"}, {name: "3.0.0", sum: sum{given: true, wrong: true}}}
	if diff := cmp.Diff(want, x.charts["a"], cmp.AllowUnexported(version{}, sum{})); diff != "" {
		t.Error(diff)
	}
}

// bombs are indexes that would become large: in a tree of nodes, by aliases, by flow, by their number of entries.
func bombs() map[string]string {
	aliases := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for i := range 12 {
		aliases += fmt.Sprintf("%c: &%c [%s]\n", 'b'+i, 'b'+i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", 'a'+i), 9), ","))
	}
	return map[string]string{
		"aliases":      aliases + "entries: {podinfo: *m}\n",
		"flow":         "entries: {podinfo: " + strings.Repeat("[", 2_000_000) + "}\n",
		"long flow":    "entries: {podinfo: [" + strings.Repeat("{version: 1.0.0},", 400_000) + "]}\n",
		"many":         "entries:\n  podinfo:\n" + strings.Repeat("  - version: 1.0.0\n", maxVersions+1),
		"deep":         "entries:\n  podinfo:\n  - urls: " + strings.Repeat("[", 60_000) + "\n",
		"scalars":      "entries: {podinfo: [" + strings.Repeat("1,", 30_000) + "]}\n",
		"json scalars": `{"entries":{"podinfo":[` + strings.Repeat(`1,`, 50_000) + `{}]}}`,
		"json long":    `{"x":"` + strings.Repeat(`x`, maxJSON) + `","entries":{"podinfo":[{"version":"1.0.0"}]}}`,
	}
}

func TestBombsAreRefused(t *testing.T) {
	for name, text := range bombs() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			x, err := readIndex(strings.NewReader(text))
			runtime.ReadMemStats(&after)
			if fault.KindOf(err) != fault.Invalid && (err != nil || x.count > 0) {
				t.Errorf("got %v of kind %s", err, fault.KindOf(err))
			}
			if grown := (int64(after.HeapSys) - int64(before.HeapSys)) >> 20; grown > 512 {
				t.Errorf("it took %d MiB of memory", grown)
			}
		})
	}
}

// A large index costs what is kept of it, and not what it is made of.
func TestALargeIndexIsReadAsItArrives(t *testing.T) {
	var text bytes.Buffer
	text.WriteString("apiVersion: v1\nentries:\n")
	padding := "    annotations:\n      readme: |\n" + strings.Repeat("        "+strings.Repeat("x", 90)+"\n", 10)
	for chart := range 20 {
		fmt.Fprintf(&text, "  chart-%d:\n", chart)
		for v := range 100 {
			fmt.Fprintf(&text, "  - version: 1.%d.0\n%s    urls:\n    - chart-%d-1.%d.0.tgz\n    digest: %064d\n", v, padding, chart, v, v)
		}
	}
	x, err := readIndex(&text)
	if err != nil {
		t.Fatal(err)
	}
	if len(x.charts) != 20 || x.count != 2_000 || x.charts["chart-7"][99].url != "chart-7-1.99.0.tgz" {
		t.Errorf("%d charts with %d versions", len(x.charts), x.count)
	}
}

// What is read line by line is what the parser of YAML makes of all of it.
func TestBlocksAreReadAsYAML(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.StringMatching(`[a-zA-Z0-9 .:#'"{}\[\]|>&*!%@\-\n]{0,20}`), rapid.StringMatching(`[a-z0-9./:~_+-]{0,4}`),
			rapid.SampledFrom([]string{"null", "true", "yes", "1.10", "0x1f", "1e3", "2001-12-14", "12:30",
				"https://charts.example.com/x-1.tgz?a=b"}))
		entry := rapid.Custom(func(t *rapid.T) map[string]any {
			out := map[string]any{"version": rapid.StringMatching(`v?[0-9]{1,2}\.[0-9]\.[0-9](-[a-z]+\.?[0-9]*)?`).Draw(t, "version")}
			key := rapid.SampledFrom([]string{"description", "appVersion", "digest", "name", "zeta"})
			for key, value := range rapid.MapOfN(key, text, 0, 4).Draw(t, "fields") {
				out[key] = value
			}
			out["urls"] = rapid.SliceOfN(text, 0, 2).Draw(t, "urls")
			out["annotations"] = rapid.MapOfN(text, text, 0, 2).Draw(t, "annotations")
			return out
		})
		charts := rapid.MapOfN(rapid.StringMatching(`[a-z][a-z0-9-]{0,6}`), rapid.SliceOfN(entry, 0, 3), 0, 3).Draw(t, "charts")
		file := map[string]any{"apiVersion": "v1", "entries": charts, "zebra": rapid.SliceOf(text).Draw(t, "zebra")}
		data, err := yaml.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		asJSON, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		byLine, err := readBlocks(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("%v:\n%s", err, data)
		}
		for form, read := range map[string]func() (*index, error){
			"YAML": func() (*index, error) { return readYAML(data) },
			"JSON": func() (*index, error) { return readJSON(json.NewDecoder(bytes.NewReader(asJSON))) },
		} {
			want, err := read()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.charts, byLine.charts, cmp.AllowUnexported(version{}, sum{}), emptyIsNil); diff != "" {
				t.Fatalf("%s (-whole +by line):\n%s\n%s", form, diff, data)
			}
		}
	})
}

var emptyIsNil = cmp.Transformer("empty", func(all []version) []version { return append([]version{}, all...) })

func FuzzIndex(f *testing.F) {
	f.Add([]byte(twoCharts))
	for _, seed := range []string{
		"entries: {}\n", "entries:\n  a:\n  - &x {version: 1}\n  - *x\n", `{"entries":{"a":[{"version":"1"}]}}`,
		"entries:\n  a:\n  -\n    version: 1\n",
		"entries:\n a:\n - version: |\n    1\n   urls:\n   - x\n", "entries:\n  a:\n  - version: 'x\n",
		"\xef\xbb\xbfentries:\n", "entries:\n  a: !!seq\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := readIndex(bytes.NewReader(data))
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%v of kind %s", err, fault.KindOf(err))
			}
			return
		}
		count := 0
		for _, all := range x.charts {
			count += len(all)
			for _, one := range all {
				if one.name == "" || len(one.name) > maxText || len(one.url) > maxURL {
					t.Errorf("kept %+v", one)
				}
			}
			for _, wish := range []string{"", ">=1", "1.0.0", ">0-0"} {
				c, err := parseChoice(wish)
				if err != nil {
					t.Fatal(err)
				}
				if found, ok := c.of(all); ok && found.name == "" {
					t.Error("chose what is not there")
				}
			}
		}
		if count != x.count {
			t.Errorf("counted %d, there are %d", x.count, count)
		}
	})
}
