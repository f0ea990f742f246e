package plain

import "testing"

func TestIgnored(t *testing.T) {
	for _, test := range []struct {
		rules, path string
		dir, want   bool
	}{
		{"a.yaml", "a.yaml", false, true},
		{"a.yaml", "sub/a.yaml", false, true},
		{"/a.yaml", "sub/a.yaml", false, false},
		{"sub/a.yaml", "deep/sub/a.yaml", false, false},
		{"**/sub/a.yaml", "deep/sub/a.yaml", false, true},
		{"sub/**", "sub/x/a.yaml", false, true},
		{"sub/**", "sub", true, false},
		{"sub/**/a.yaml", "sub/a.yaml", false, true},
		{"sub/", "sub", true, true},
		{"sub/", "sub", false, false},
		{"*.yaml", "x/a.yaml", false, true},
		{"*.yaml\n!keep.yaml", "x/keep.yaml", false, false},
		{"!keep.yaml\n*.yaml", "x/keep.yaml", false, true},
		{"value?-[ab].yaml", "values-b.yaml", false, true},
		{"# a.yaml", "a.yaml", false, false},
		{`\#a.yaml`, "#a.yaml", false, true},
		{"a.yaml   ", "a.yaml", false, true},
	} {
		rules, errs := parseRules([]byte(test.rules), ".")
		if len(errs) > 0 {
			t.Errorf("%q: %v", test.rules, errs)
		}
		if got := ignored(rules, test.path, test.dir); got != test.want {
			t.Errorf("%q on %s: %t", test.rules, test.path, got)
		}
	}
	rules, _ := parseRules([]byte("/a.yaml"), "apps/web")
	if !ignored(rules, "apps/web/a.yaml", false) || ignored(rules, "apps/web/b/a.yaml", false) {
		t.Error("a rule speaks of the directory that it lies in")
	}
}
