package policy_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/policy"
)

func TestTheStrictestApprovalCounts(t *testing.T) {
	for _, test := range []struct{ above, below, want string }{
		{"", "", ""}, {"always", "never", "always"}, {"always", "risky", "always"}, {"risky", "always", "always"},
		{"never", "risky", "risky"}, {"risky", "", "risky"},
	} {
		var none *policy.Terms
		above := none.Add("Sync above", v1alpha1.Constraints{Approval: test.above})
		if got := above.Add("Sync below", v1alpha1.Constraints{Approval: test.below}).Approval; got != test.want {
			t.Errorf("%s above, %s below: %q, want %q", test.above, test.below, got, test.want)
		}
		if want := none.Add("Sync above", v1alpha1.Constraints{Approval: test.above}).Approval; above.Approval != want {
			t.Errorf("the terms above have become %q", above.Approval)
		}
	}
}

// TestAChildCannotOpenAWindow: windows that allow are a union in one place, and each place has to have one open.
func TestAChildCannotOpenAWindow(t *testing.T) {
	var none *policy.Terms
	parent := none.Add("Sync parent", v1alpha1.Constraints{Windows: []v1alpha1.Window{nights}})
	child := parent.Add("Sync child", v1alpha1.Constraints{Windows: []v1alpha1.Window{noons}})
	verdicts := policy.Judge(policy.Input{Now: noon, Objects: 1, Changes: changes("create Service/a"), Terms: child})
	if len(verdicts) != 1 || !strings.Contains(verdicts[0].Message, "of Sync parent") {
		t.Error(show(verdicts))
	}
	if !verdicts[0].Until.IsZero() && verdicts[0].Until.Before(noon) {
		t.Error("until", verdicts[0].Until)
	}
}

func TestTheSameCountsOnce(t *testing.T) {
	var none *policy.Terms
	freeze := v1alpha1.Constraints{Windows: []v1alpha1.Window{weekend}, Rules: rule("few", "false", "").Rules, Allowed: &v1alpha1.Allowed{Kinds: []string{"*"}}}
	terms := none.Add("Policy freeze", freeze).Add("Sync a", v1alpha1.Constraints{}).Add("Policy freeze", freeze)
	if len(terms.Windows) != 1 || len(terms.Rules) != 1 || len(terms.Allowed) != 1 {
		t.Errorf("%d windows, %d rules, %d lists", len(terms.Windows), len(terms.Rules), len(terms.Allowed))
	}
}

func TestWhatIsBroken(t *testing.T) {
	var none *policy.Terms
	hour := v1alpha1.Duration(time.Hour)
	many := slices.Repeat([]v1alpha1.Rule{{Name: "r", Expression: "true"}}, 257)
	for want, given := range map[string]v1alpha1.Constraints{
		`Sync shop: the approval is "often", want never, risky or always`:                               {Approval: "often"},
		`Sync shop: rule "r" cannot be compiled: 1:1: nothing is called 'x'`:                            rule("r", "x", ""),
		`Sync shop: rule "r" cannot be compiled: it gives a value of type int instead of true or false`: rule("r", "1", ""),
		`Sync shop: the outcome of rule "r" is "warn", want hold or deny`:                               rule("r", "true", "warn"),
		`Sync shop: the kind of a window is "", want allow or deny`:                                     {Windows: []v1alpha1.Window{{Schedule: "@daily", Duration: hour}}},
		`Sync shop: the repairs of a window is "no", want allow or hold`:                                {Windows: []v1alpha1.Window{{Kind: "deny", Schedule: "@daily", Duration: hour, Repairs: "no"}}},
		`Sync shop: read the window's duration 0s: it is not between 1m and 8784h (366 days)`:           {Windows: []v1alpha1.Window{{Kind: "deny", Schedule: "@daily"}}},
		`Sync shop: a list of what is allowed is empty`:                                                 {Allowed: &v1alpha1.Allowed{Kinds: []string{}}},
		`Sync shop: there are too many rules, with those above`:                                         {Rules: many},
	} {
		for range 2 { // the second time from memory
			terms := none.Add("Sync shop", given)
			if terms.Broken == nil || terms.Broken.Error() != want || fault.KindOf(terms.Broken) != fault.Invalid || fault.HintOf(terms.Broken) == "" {
				t.Errorf("%v (%s, hint %q)\nwant %s", terms.Broken, fault.KindOf(terms.Broken), fault.HintOf(terms.Broken), want)
			}
			below := terms.Add("Sync below", v1alpha1.Constraints{})
			if verdicts := policy.Judge(policy.Input{Objects: 1, Terms: below, Approved: true}); len(verdicts) != 1 || verdicts[0].Check != policy.TermsBroken {
				t.Error(show(verdicts))
			}
		}
	}
	lacking := none.Guarded(v1alpha1.Guards{}, true).Lacking(errors.New("policy freeze is not declared"))
	if verdicts := policy.Judge(policy.Input{Terms: lacking}); len(verdicts) != 1 || verdicts[0].Message != "policy freeze is not declared" {
		t.Error(show(verdicts))
	}
}

func TestWhatIsAllowed(t *testing.T) {
	var none *policy.Terms
	terms := none.Add("Policy team", v1alpha1.Constraints{Allowed: &v1alpha1.Allowed{
		Kinds: []string{"Service", "ConfigMap", "apps/*", "*.example.com/Widget"}, Namespaces: []string{"shop", "shop-*"}}})
	terms = terms.Add("Sync shop", v1alpha1.Constraints{Allowed: &v1alpha1.Allowed{Kinds: []string{"*"}, Namespaces: []string{"*-eu", "shop"}}})
	for what, want := range map[string]string{
		"/Service/shop/a":                    "",
		"apps/Deployment/shop/a":             "",
		"apps/Deployment/shop-eu/a":          "",
		"x.example.com/Widget/shop/a":        "",
		"ConfigMap/without-a-namespace":      "",
		"apps/Deployment/shop-us/a":          `declare apps/Deployment/shop-us/a: allowed.namespaces of Sync shop does not list "shop-us"`,
		"/Service/kube-system/a":             `declare Service/kube-system/a: allowed.namespaces of Policy team does not list "kube-system"`,
		"serving.knative.dev/Service/shop/a": "declare serving.knative.dev/Service/shop/a: allowed.kinds of Policy team does not list serving.knative.dev/Service",
		"Namespace/x":                        "declare Namespace/x: allowed.kinds of Policy team does not list Namespace",
	} {
		expectRefusal(t, what, terms.Refuses(id(what)), want)
	}
	if hint := fault.HintOf(terms.Refuses(id("serving.knative.dev/Service/shop/a"))); !strings.Contains(hint, "with their group: serving.knative.dev/Service") {
		t.Error(hint)
	}
	if none.Refuses(id("Secret/x")) != nil || none.RefusesTarget("x") != nil || none.RefusesSource("x") != nil {
		t.Error("no terms refuse something")
	}
}

func TestAllowedTargetsAndSources(t *testing.T) {
	var none *policy.Terms
	terms := none.Add("Sync root", v1alpha1.Constraints{Allowed: &v1alpha1.Allowed{
		Targets: []string{"this host", "kubernetes context eu-*"},
		Sources: []string{"https://git.example.com/team/*", "https://*.example.org/*", "ssh://git.example.com/team/*", "file:///srv/git/*", "/srv/plain"}}})
	for name, want := range map[string]string{
		"this host": "", "kubernetes context eu-1": "",
		"kubernetes":              "drive kubernetes: allowed.targets of Sync root does not list it",
		"kubernetes context us-1": "drive kubernetes context us-1: allowed.targets of Sync root does not list it",
	} {
		expectRefusal(t, name, terms.RefusesTarget(name), want)
	}
	const unlisted, up = "allowed.sources of Sync root does not list it", "its path steps up, and allowed.sources of Sync root goes by paths"
	for url, want := range map[string]string{
		"https://git.example.com/team/shop.git":           "",
		"https://git.example.com/team/a/b":                "",
		"HTTPS://user:secret@Git.Example.com/team/shop":   "",
		"https://a.example.org/x":                         "",
		"git@git.example.com:team/shop.git":               "",
		"ssh://git@git.example.com/team/shop.git":         "",
		"file:///srv/git/shop":                            "",
		"/srv/plain":                                      "",
		"https://git.example.com/other/shop":              "use the source https://git.example.com/other/shop: " + unlisted,
		"https://u:secret@git.example.com/x?token=secret": "use the source https://git.example.com/x: " + unlisted,
		"https://git.example.com@evil.test/team/shop":     "use the source https://evil.test/team/shop: " + unlisted,
		"https://evil.test/a.example.org/x":               "use the source https://evil.test/a.example.org/x: " + unlisted,
		"http://git.example.com/team/shop":                "use the source http://git.example.com/team/shop: " + unlisted,
		"https://git.example.com/team/../other/shop":      "use the source https://git.example.com/team/../other/shop: " + up,
		"https://git.example.com/team/%2E%2e/other":       "use the source https://git.example.com/team/%2E%2e/other: " + up,
		"git@git.example.com:other/shop.git":              "use the source ssh://git.example.com/other/shop.git: " + unlisted,
		"/srv/plain/../secret":                            "use the source /srv/plain/../secret: " + up,
	} {
		expectRefusal(t, url, terms.RefusesSource(url), want)
	}
	for _, pattern := range []string{"*", "https://*", "https://git.example*"} {
		open := none.Add("Sync root", v1alpha1.Constraints{Allowed: &v1alpha1.Allowed{Sources: []string{pattern}}})
		if err := open.RefusesSource("https://git.example.com/team/shop"); err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

func expectRefusal(t *testing.T, what string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", what, err)
	case want != "" && (err == nil || err.Error() != want || fault.KindOf(err) != fault.Denied || fault.HintOf(err) == ""):
		t.Errorf("%s: %v (%s)\nwant %s", what, err, fault.KindOf(err), want)
	}
}

func TestDigest(t *testing.T) {
	update := change("update apps/Deployment/shop/web").Entry
	update.Fields = []diff.Field{{Path: "/a", Old: "1", New: "2", By: "kubectl", When: noon}, {Path: "/b", New: "3"}}
	with := func(alter func(*diff.Entry)) []diff.Entry {
		altered := update
		altered.Fields = slices.Clone(update.Fields)
		alter(&altered)
		return []diff.Entry{altered}
	}
	plan := policy.Digest([]diff.Entry{update})
	for name, same := range map[string][]diff.Entry{
		"another writer":       with(func(e *diff.Entry) { e.Fields[0].By, e.Fields[0].When = "operator", noon.Add(1) }),
		"another order":        with(func(e *diff.Entry) { slices.Reverse(e.Fields) }),
		"another health":       with(func(e *diff.Entry) { e.Health.Message = "x" }),
		"beside what is equal": {{ID: id("Service/a"), Op: diff.None}, update, {ID: id("Service/b"), Op: diff.Delete, Keep: true}},
	} {
		if policy.Digest(same) != plan {
			t.Errorf("%s is another plan", name)
		}
	}
	for name, other := range map[string][]diff.Entry{
		"another operation": with(func(e *diff.Entry) { e.Op = diff.Replace }),
		"another object":    with(func(e *diff.Entry) { e.ID.Name = "x" }),
		"another content":   with(func(e *diff.Entry) { e.Want = object("apps/Deployment/shop/web", nil) }),
		"another value":     with(func(e *diff.Entry) { e.Fields[1].New = "4" }),
		"another old value": with(func(e *diff.Entry) { e.Fields[0].Old = "0" }),
		"shifted values":    with(func(e *diff.Entry) { e.Fields[0].Path, e.Fields[0].Old = "/a1", "" }),
		"one change more":   {update, {ID: id("Service/a"), Op: diff.Delete}},
		"no change":         nil,
	} {
		if digest := policy.Digest(other); digest == plan || digest == "" {
			t.Errorf("%s has the digest %q", name, digest)
		}
	}
	service := change("create Service/a").Entry
	if policy.Digest([]diff.Entry{service, update}) != policy.Digest([]diff.Entry{update, service}) {
		t.Error("the order counts")
	}
}

// constrained draws constraints that can be broken, too.
func constrained(t *rapid.T, label string) v1alpha1.Constraints {
	window := rapid.Custom(func(t *rapid.T) v1alpha1.Window {
		return v1alpha1.Window{Kind: rapid.SampledFrom([]string{"allow", "deny"}).Draw(t, "kind"),
			Schedule: rapid.SampledFrom([]string{"0 22 * * *", "0 11 * * *", "0 0 * * 6", "@hourly", "bad"}).Draw(t, "schedule"),
			Duration: v1alpha1.Duration(rapid.SampledFrom([]time.Duration{time.Hour, 8 * time.Hour, 48 * time.Hour}).Draw(t, "duration")),
			Repairs:  rapid.SampledFrom([]string{"", "allow", "hold"}).Draw(t, "repairs")}
	})
	rules := rapid.Custom(func(t *rapid.T) v1alpha1.Rule {
		return v1alpha1.Rule{Name: "r",
			Expression: rapid.SampledFrom([]string{"true", "false", setReplicas, "change.object.x == 1", "change.op == 'create'", "nothing"}).Draw(t, "expression"),
			Outcome:    rapid.SampledFrom([]string{"", "hold", "deny"}).Draw(t, "outcome"),
			Match:      v1alpha1.Match{Kind: rapid.SampledFrom([]string{"", "Service", "*"}).Draw(t, "match")}}
	})
	return v1alpha1.Constraints{
		Approval: rapid.SampledFrom([]string{"", "never", "risky", "always"}).Draw(t, label+" approval"),
		Windows:  rapid.SliceOfN(window, 0, 2).Draw(t, label+" windows"),
		Rules:    rapid.SliceOfN(rules, 0, 2).Draw(t, label+" rules"),
		Allowed:  rapid.SampledFrom([]*v1alpha1.Allowed{nil, {Kinds: []string{"Service"}}, {Kinds: []string{"*"}, Namespaces: []string{"a*"}}, {Kinds: []string{}}}).Draw(t, label+" allowed"),
	}
}

func situation(t *rapid.T) policy.Input {
	one := rapid.Custom(func(t *rapid.T) policy.Change {
		c := change(rapid.SampledFrom([]string{"create", "update", "replace", "delete", "none"}).Draw(t, "op") + " " +
			rapid.SampledFrom([]string{"Service/a", "apps/Deployment/a/b", "Namespace/n", "ConfigMap/c"}).Draw(t, "object"))
		c.Drift, c.Keep = rapid.Bool().Draw(t, "drift"), rapid.Bool().Draw(t, "keep")
		c.Holds = rapid.SampledFrom([]string{"", "3 objects of others"}).Draw(t, "holds")
		return c
	})
	return policy.Input{
		Now:     noon.Add(time.Duration(rapid.IntRange(0, 10_000).Draw(t, "minutes")) * time.Minute),
		Objects: rapid.IntRange(0, 1).Draw(t, "objects"), Owned: rapid.IntRange(0, 6).Draw(t, "owned"),
		Deleting: rapid.Bool().Draw(t, "deleting"), Changes: rapid.SliceOfN(one, 0, 5).Draw(t, "changes"),
	}
}

// severity of all verdicts together: what lifts the first does not lift the next.
func severity(verdicts []policy.Verdict) int {
	worst := 0
	for _, verdict := range verdicts {
		switch {
		case verdict.Outcome == policy.Deny:
			return 3
		case !verdict.Approvable:
			worst = 2
		default:
			worst = max(worst, 1)
		}
	}
	return worst
}

// TestAuthorityNarrows: whatever is added, in whatever number of steps, nothing passes that did not pass before.
func TestAuthorityNarrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var none *policy.Terms
		above := none.Add("Sync above", constrained(t, "above"))
		if rapid.Bool().Draw(t, "guarded") {
			above = above.Guarded(v1alpha1.Guards{MassDeletion: "allow", Protected: []string{"Service"}}, true)
		}
		below := above.Add("Sync below", constrained(t, "below"))
		input := situation(t)
		input.Terms = above
		before := policy.Judge(input)
		input.Terms = below
		after := policy.Judge(input)
		if severity(after) < severity(before) {
			t.Fatalf("above:\n%s\nbelow:\n%s", show(before), show(after))
		}
		if above.Repairs(input.Now, time.Time{}, "shop").Outcome == policy.Hold && below.Repairs(input.Now, time.Time{}, "shop").Outcome != policy.Hold {
			t.Fatal("repairs are held above and not below")
		}
		for _, c := range input.Changes {
			if above.Refuses(c.ID) != nil && below.Refuses(c.ID) == nil {
				t.Fatalf("%s is refused above and not below", c.ID)
			}
		}
		input.Terms = above
		if again := policy.Judge(input); show(again) != show(before) {
			t.Fatal("the terms above have changed")
		}
	})
}

// TestAnApprovalLiftsWhatItCan: all that is approvable, and nothing else.
func TestAnApprovalLiftsWhatItCan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var none *policy.Terms
		input := situation(t)
		input.Terms = none.Add("Sync shop", constrained(t, "its"))
		left := slices.DeleteFunc(policy.Judge(input), func(verdict policy.Verdict) bool { return verdict.Approvable })
		input.Approved = true
		if approved := policy.Judge(input); show(approved) != show(left) {
			t.Fatalf("got\n%s\nwant\n%s", show(approved), show(left))
		}
	})
}

func outside(input policy.Input) bool {
	return slices.ContainsFunc(policy.Judge(input), func(verdict policy.Verdict) bool { return verdict.Check == policy.OutsideWindow })
}

// TestUntilIsWorthWaitingFor: when the time comes that a window names, it does not hold any more; unless windows never agree.
func TestUntilIsWorthWaitingFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var none *policy.Terms
		given := constrained(t, "its")
		input := situation(t)
		input.Terms = none.Add("Sync shop", v1alpha1.Constraints{Windows: given.Windows}).Add("Sync below", v1alpha1.Constraints{Windows: constrained(t, "more").Windows})
		for _, verdict := range policy.Judge(input) {
			if verdict.Until.IsZero() {
				continue
			}
			if !verdict.Until.After(input.Now) || verdict.Check != policy.OutsideWindow {
				t.Fatalf("at %s: %s", input.Now, show([]policy.Verdict{verdict}))
			}
			if strings.Contains(verdict.Message, "no end is in sight") {
				continue
			}
			if input.Now = verdict.Until; !outside(input) {
				continue
			}
			for hour := range 15 * 24 { // all of these windows come back within a week, at full hours
				if input.Now = noon.Add(time.Duration(hour) * time.Hour); input.Now.After(verdict.Until) && !outside(input) {
					t.Fatalf("open at %s: %s", input.Now, show([]policy.Verdict{verdict}))
				}
			}
		}
	})
}
