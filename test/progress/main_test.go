package main

import (
	"strings"
	"testing"
	"time"
)

func TestFollow(t *testing.T) {
	for name, test := range map[string]struct {
		input []string
		ok    bool
		want  []string
	}{
		"all pass": {
			[]string{
				`{"Action":"start","Package":"a"}`, `{"Action":"run","Package":"a","Test":"T"}`, `{"Action":"run","Package":"a","Test":"T/x"}`,
				`{"Action":"output","Package":"a","Test":"T","Output":"noise\n"}`, `{"Action":"pass","Package":"a","Test":"T/x"}`,
				`{"Action":"pass","Package":"a","Test":"T"}`, `{"Action":"pass","Package":"a","Elapsed":1.5}`,
				`{"Action":"skip","Package":"no-tests"}`,
			},
			true, []string{"ok      1.5 s  a  [2 passed so far]", "2 tests passed, 0 failed, 0 skipped, in 1 packages"},
		},
		"a failure shows its output": {
			[]string{
				`{"Action":"run","Package":"a","Test":"T"}`, `{"Action":"output","Package":"a","Test":"T","Output":"want 1\n"}`,
				`{"Action":"fail","Package":"a","Test":"T"}`, `{"Action":"fail","Package":"a"}`,
			},
			false, []string{"want 1", "failed:  a T", "0 tests passed, 1 failed"},
		},
		"a skipped test is named": {
			[]string{`{"Action":"skip","Package":"a","Test":"T"}`, `{"Action":"pass","Package":"a"}`},
			true, []string{"skipped: a T", "1 skipped"},
		},
		"does not build": {
			[]string{
				`{"ImportPath":"a","Action":"build-output","Output":"a.go:1: no\n"}`, `{"ImportPath":"a","Action":"build-fail"}`,
				`{"Action":"start","Package":"a"}`, `{"Action":"fail","Package":"a"}`,
			},
			false, []string{"a.go:1: no", "FAIL", "of which 1 failed"},
		},
		"dies":    {[]string{`{"Action":"run","Package":"a","Test":"T"}`}, false, []string{"not ended: a T"}},
		"no test": {nil, false, []string{"0 tests passed"}},
		"no JSON": {[]string{"go: cannot find module"}, false, []string{"cannot find module"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if ok := follow(strings.NewReader(strings.Join(test.input, "\n")), &out, nil); ok != test.ok {
				t.Errorf("gave %v", ok)
			}
			for _, text := range test.want {
				if !strings.Contains(out.String(), text) {
					t.Errorf("%q is not in:\n%s", text, out.String())
				}
			}
			if strings.Contains(out.String(), "noise") {
				t.Errorf("the output of a test that passed is shown:\n%s", out.String())
			}
		})
	}
}

func TestWhatRunsIsNamedInSilence(t *testing.T) {
	lines, tick := make(chan string), make(chan time.Time)
	var out strings.Builder
	done := make(chan bool)
	go func() { done <- report(lines, &out, tick) }()
	lines <- `{"Action":"start","Package":"a"}`
	lines <- `{"Action":"run","Package":"a","Test":"T"}`
	tick <- time.Time{} // there was news
	tick <- time.Time{}
	close(lines)
	if <-done {
		t.Error("an unfinished run is no success")
	}
	if strings.Count(out.String(), "… running: a T\n") != 1 {
		t.Errorf("said:\n%s", out.String())
	}
}
