package expression_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/internal/expression"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// deployment is a change of a Deployment, with the variables of a rule.
func deployment() map[string]any {
	object := map[string]any{
		"metadata": map[string]any{"name": "web", "labels": map[string]any{"team": "shop"}},
		"spec": map[string]any{"replicas": int64(3), "ratio": 1.5, "paused": false, "nothing": nil,
			"containers": []any{map[string]any{"name": "main", "image": "registry.example.com/web:1"}}},
	}
	return map[string]any{
		"change": map[string]any{"op": "update", "object": object, "before": nil, "fields": []string{"/spec/replicas"}, "drift": false,
			"id": map[string]any{"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web"}},
		"sync":     map[string]any{"name": "shop", "parent": "", "path": "apps/shop", "source": "main", "target": "this host"},
		"revision": map[string]any{"id": "1a2b", "ref": "main", "author": "Ann <ann@example.com>", "message": "Scale", "time": time.Unix(0, 0)},
	}
}

func TestRulesHold(t *testing.T) {
	for source, want := range map[string]bool{
		`change.op == "update"`:                                                                              true,
		`change["op"] in ["create", "delete"]`:                                                               false,
		`change.object.spec.replicas >= 2`:                                                                   true,
		`change.object.spec.replicas > 2.5`:                                                                  true,
		`change.object.spec.ratio == 1.5 && change.object.spec.nothing == null`:                              true,
		`change.object.spec.paused`:                                                                          false, // of type dyn
		`change.before == null`:                                                                              true,
		`has(change.object.metadata.labels.team)`:                                                            true,
		`change.object.metadata.?annotations["a"].orValue("none") == "none"`:                                 true,
		`change.object.spec.containers.all(c, c.image.startsWith("registry.example.com/"))`:                  true,
		`change.object.spec.containers.exists(c, c.image.endsWith(":latest"))`:                               false,
		`change.object.spec.containers[0].image.matches("^[a-z./]+:[0-9]+$")`:                                true,
		`change.fields.exists(f, f == "/spec/replicas")`:                                                     true,
		`size(change.fields) == 1 && !change.drift`:                                                          true,
		`change.id.namespace == sync.name && sync.path.split("/")[1] == "shop"`:                              true,
		`revision.author.lowerAscii().contains("ann@") && revision.time < timestamp("2020-01-01T00:00:00Z")`: true,
		`revision.time.getHours("Europe/Berlin") == 1`:                                                       true,
		`change.op != "delete" || change.before.metadata.name != "web"`:                                      true,
		"change.op == 'update' // as it is written\n":                                                        true,
	} {
		program, err := expression.Rule(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if holds, err := program.Holds(deployment()); err != nil || holds != want {
			t.Errorf("%s: %t, %v; want %t", source, holds, err, want)
		}
		if program.String() != source {
			t.Errorf("%q is not %q", program, source)
		}
	}
}

func TestHealth(t *testing.T) {
	program, err := expression.Health(`object.status.phase == "Ready"`)
	if err != nil {
		t.Fatal(err)
	}
	for phase, want := range map[string]bool{"Ready": true, "Pending": false} {
		object := map[string]any{"status": map[string]any{"phase": phase}}
		if holds, err := program.Holds(map[string]any{"object": object}); err != nil || holds != want {
			t.Errorf("%s: %t, %v", phase, holds, err)
		}
	}
	if _, err := expression.Health("change.op == 'create'"); fault.HintOf(err) != "the expression can use the variable object" {
		t.Errorf("%v, hint %q", err, fault.HintOf(err))
	}
}

func TestWhatCannotBeCompiled(t *testing.T) {
	for source, want := range map[string]string{
		``:                                    "it is empty",
		` `:                                   "it is empty",
		`chnge.op == "x"`:                     "1:1: nothing is called 'chnge' (did you mean 'change'?)",
		"change.op == 'x' &&\n  replicas > 1": "2:3: nothing is called 'replicas'",
		`change.`:                             "1:8: no viable alternative at input '.'",
		`change.op =`:                         "1:11: not readable from here: '='",
		`change.op = "x"`:                     "1:11: a single =: equality is ==",
		`change.op ==`:                        "1:13: it ends too early",
		`change.op "x"`:                       "1:11: not expected here: '\"x\"'",
		`change.opp == "x"`:                   `1:7: change has no field "opp" (did you mean "op"?), it has op, id, object, before, fields and drift`,
		`change["nme"] == "x"`:                `1:7: change has no field "nme", it has op, id, object, before, fields and drift`,
		`has(sync.nam)`:                       `1:4: sync has no field "nam" (did you mean "name"?), it has name, parent, path, source and target`,
		`sync.?nam.hasValue()`:                `1:5: sync has no field "nam" (did you mean "name"?), it has name, parent, path, source and target`,
		`[1].all(change, change > 1)`:         "1:8: change is a variable of the expression: give the item another name",
		`"a" + 1 == "b"`:                      "1:5: found no matching overload for '_+_' applied to '(string, int)'",
		`sync.name.replace("a", "b") == "c"`:  "1:18: the function replace is not available",
		`sync.name.matches("(")`:              "1:19: invalid matches argument",
		`timestamp("today") < revision.time`:  "1:11: invalid timestamp argument",
		`sync.name.matches("a{900}")`:         "1:19: regex program size 902 exceeds limit of 500",
		strings.Repeat("(", 99) + "true" + strings.Repeat(")", 99): "it is nested or chained more than 60 deep",
		"change.object" + strings.Repeat(".a", 300) + " == 1":      "it is nested or chained more than 60 deep",
		`"x"`:                     "it gives a value of type string instead of true or false",
		`change`:                  "it gives a value of type map(string, dyn) instead of true or false",
		`optional.of(true)`:       "it gives a value of type optional_type(bool) instead of true or false",
		strings.Repeat("x", 5000): "it is longer than 4096 bytes",
	} {
		program, err := expression.Rule(source)
		if err == nil {
			t.Errorf("%s: compiled: %v", source, program)
			continue
		}
		if message := err.Error(); message != "compile the expression: "+want || fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%.60s:\n got %s (%s, hint %q)\nwant compile the expression: %s", source, message, fault.KindOf(err), fault.HintOf(err), want)
		}
	}
}

func TestWhatHasNoValue(t *testing.T) {
	const mismatch = "a value is null or of another type than the expression takes it for"
	for source, want := range map[string]string{
		`change.object.spex.replicas > 1`:            "no such key: spex",
		`change.before.spec.replicas > 1`:            "no such key: spec",
		`change.object.spec.replicas > "1"`:          mismatch,
		`change.object.spec.containers[7] == null`:   "an index is out of bounds",
		`change.object.spec.replicas / 0 == 1`:       "division by zero",
		`change.object.spec`:                         "it gives a value of type map instead of true or false",
		`change.object.spec.nothing.startsWith("x")`: mismatch,
		`change.object.metadata.name && true`:        mismatch,
	} {
		program, err := expression.Rule(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		for range 3 { // the same each time
			if _, err := program.Holds(deployment()); err == nil || err.Error() != "evaluate the expression: "+want {
				t.Errorf("%s: %v, want %s", source, err, want)
			}
		}
	}
}

// TestTheSameEachTime: maps have no order in Go, and what an evaluation says and costs does not depend on it.
func TestTheSameEachTime(t *testing.T) {
	object := map[string]any{}
	for i := range 50 {
		object[fmt.Sprintf("key%02d", i)] = map[string]any{}
	}
	variables := map[string]any{"change": map[string]any{"object": object, "before": map[string]any{}}}
	for source, want := range map[string]string{
		`change.object.all(k, change.before[k] == 1)`:                 "no such key",
		`dyn([change]).all(c, c.object.all(k, c.before[k] == 1))`:     "no such key",
		`change.object.map(k, k)[7] == "key07"`:                       "",
		`change.object.exists(k, k == "key20")`:                       "",
		`change.object == change.object && size(change.object) == 50`: "",
		`"key01" in change.object && change.object.key01 == {}`:       "",
	} {
		program, err := expression.Rule(source)
		if err != nil {
			t.Fatal(err)
		}
		_, cost, _ := program.Weigh(variables)
		for range 10 {
			holds, again, err := program.Weigh(variables)
			if again != cost || want == "" && (err != nil || !holds) || want != "" && (err == nil || err.Error() != "evaluate the expression: "+want) {
				t.Errorf("%s: %t at a cost of %d or %d, %v, want %s", source, holds, again, cost, err, want)
				break
			}
		}
	}
}

// TestBounds: an expression cannot take the processor or the memory, whatever it multiplies.
func TestBounds(t *testing.T) {
	const cost, items = "it costs more than the limit of 100000", "it works with a value of more than 100000 items"
	chain := func(start, step, end string) string { return start + strings.Repeat(step, 25) + end }
	for source, want := range map[string]string{
		chain(`[[1]]`, `.map(a, a + a)`, `.all(a, 9 in a)`):                                     items,
		chain(`[1]`, `.map(a, [a, a])`, `.all(a, a == a)`):                                      items,
		chain(`[1]`, `.map(a, {"x": a, "y": a})`, `.all(a, "%s".format([a]) == "")`):            items,
		chain(`["abcdefghij"]`, `.map(a, a + a)`, `.all(a, a == "")`):                           cost,
		chain(`[optional.of(1)]`, `.map(a, optional.of([a, a]))`, `.all(a, a == a)`):            items,
		`change.object.list.all(a, change.object.list.all(b, change.object.list.all(c, true)))`: cost,
		`change.object.text.matches("(a|b|c)*(aa|bb)*x$")`:                                      cost,
	} {
		program, err := expression.Rule(source)
		if err != nil {
			t.Errorf("%.60s: %v", source, err)
			continue
		}
		object := map[string]any{"text": strings.Repeat("ab", 500_000), "list": make([]any, 1000)}
		if _, err := program.Holds(map[string]any{"change": map[string]any{"object": object}}); err == nil || err.Error() != "evaluate the expression: "+want {
			t.Errorf("%.60s: %v, want %s", source, err, want)
		}
	}
}

// TestALargeObjectIsNoProblem: a rule that looks at every field of a large ConfigMap is within the bounds.
func TestALargeObjectIsNoProblem(t *testing.T) {
	data := map[string]any{}
	for i := range 3000 {
		data[fmt.Sprint("key", i)] = strings.Repeat("z", 100)
	}
	program, err := expression.Rule(`change.object.data.all(k, !change.object.data[k].contains("password"))`)
	if err != nil {
		t.Fatal(err)
	}
	holds, cost, err := program.Weigh(map[string]any{"change": map[string]any{"object": map[string]any{"data": data}}})
	if err != nil || !holds || cost < 3000 {
		t.Errorf("%t at a cost of %d, %v", holds, cost, err)
	}
}

func TestReads(t *testing.T) {
	for source, want := range map[string]string{
		`change.op == "x"`:                            "",
		`change.before == null`:                       "before",
		`change["before"].spec.x == 1`:                "before",
		`change.?before.?spec.hasValue()`:             "before",
		`change[?"before"].hasValue()`:                "before",
		`has(change.before.spec)`:                     "before",
		`.change.before == null`:                      "before",
		`change.object.before == 1`:                   "object",
		`change.object == change.before`:              "before object",
		`change == change`:                            "before object",
		`change[sync.name] == 1`:                      "before object",
		`change.all(key, key != "x")`:                 "before object",
		`[change].all(c, c.op == "x")`:                "before object",
		`change.fields.all(f, f.startsWith("/a"))`:    "",
		`sync.name == "before" || sync["path"] == ""`: "",
	} {
		program, err := expression.Rule(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		var reads []string
		for _, field := range []string{"before", "object"} {
			if program.Reads("change", field) {
				reads = append(reads, field)
			}
		}
		if got := strings.Join(reads, " "); got != want {
			t.Errorf("%s reads %q, want %q", source, got, want)
		}
	}
}

// TestWhateverIsWritten: no text makes the compiler fail otherwise than with a sentence in one line.
func TestWhateverIsWritten(t *testing.T) {
	pieces := []string{"change", ".", "op", "(", ")", "[", "]", "?", ":", "\"", "'", "==", "&&", "!", "all", ",", "x", "1", " ", "\n", "{", "}", "-", "é", "\\", "has"}
	rapid.Check(t, func(t *rapid.T) {
		source := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 12).Draw(t, "pieces"), "")
		program, err := expression.Rule(source)
		again, err2 := expression.Rule(source)
		if program != again || (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() {
			t.Fatalf("%q: %v, then %v", source, err, err2)
		}
		if err != nil && (fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error(), "\n")) {
			t.Fatalf("%q: %s %q", source, fault.KindOf(err), err)
		}
		if err == nil {
			_, _ = program.Holds(deployment())
		}
	})
}

// TestManyAtOnce: compilation is remembered, bounded, and safe for concurrent use.
func TestManyAtOnce(t *testing.T) {
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 300 {
				program, err := expression.Rule(fmt.Sprintf("change.object.spec.replicas < %d", i))
				if err != nil {
					t.Error(worker, err)
					return
				}
				if holds, err := program.Holds(deployment()); err != nil || holds != (3 < i) {
					t.Error(worker, i, holds, err)
				}
			}
		})
	}
	all.Wait()
}
