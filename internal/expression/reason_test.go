package expression_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/internal/expression"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// leaking are expressions over an object whose CEL error quotes a value of the object, or might with another version of CEL. All of them
// are without a value. $object stands for the object, $text for its text.
var leaking = []string{
	`{"a": 1}[$text] > 0`,
	`{"a": {"b": 1}}[$text].b > 0`,
	`$object.data[$text] == 1`,
	`$object[$text] == 1`,
	`dyn($object)[$text].more == 1`,
	`$object.data[$object.number] == 1`,
	`$object.data[$text + "suffix"] == 1`,
	`$object.data.all(k, $object[$object.data[k]] == 1)`,
	`$text.more == 1`,
	`[1][$text] == 1`,
	`[1][$object.number] == 1`,
	`$object.list[$object.number] == 1`,
	`timestamp($text) < timestamp("2020-01-01T00:00:00Z")`,
	`timestamp("2020-01-01T00:00:00Z").getHours($text) == 1`,
	`"x".matches($text + "(")`,
	`"x".matches("(?P<" + $text + ">" + "a{900}")`,
	`int($text) > 0`,
	`uint($text) > 0u`,
	`double($text) > 0.0`,
	`bool($text)`,
	`duration($text) > duration("1s")`,
	`("%d" + $text).format([$text]) == ""`,
	`"%d".format([$text]) == ""`,
	`("%z" + $text).format([$text]) == ""`,
	`$text.charAt($object.number) == ""`,
	`$text.substring($object.number) == ""`,
	`$text.split($object.number) == []`,
	`[?$text] == []`,
	`{?$text: $text} == {}`,
	`$object.optMap(o, o.data[$text]).value()`,
	`timestamp($object.number * 1000000) < timestamp(0)`,
	`$object.number / 0 == 1`,
	`$object.number + 9223372036854775807 == 1`,
	`-$text == 1`,
	`!$text`,
	`$text < $object.number`,
	`$text.all(k, k == 1)`,
	`[$text].all(k, k)`,
	`$text`,
	`$object`,
	`[$text][0]`,
	`$text && [$text][0]`,
}

// hidden gives an object with a marker and a number, as they are read, written and used for keys.
func hidden(marker string, number int64) map[string]any {
	return map[string]any{
		"text": marker, "number": number, "list": []any{marker, number},
		"data": map[string]any{"key": marker, "of-" + marker: marker},
	}
}

// texts of an error and all that it wraps, with the hint.
func texts(err error) string {
	text := fault.HintOf(err)
	for ; err != nil; err = errors.Unwrap(err) {
		text += fmt.Sprintf("\n%s %+v", err, err)
	}
	return text
}

// noValue evaluates an expression over an object for a rule and for health, and gives what they say.
func noValue(t interface{ Fatalf(string, ...any) }, source string, object map[string]any) (said []string) {
	for _, subject := range []struct {
		compile   func(string) (*expression.Program, error)
		object    string
		variables map[string]any
	}{
		{expression.Health, "object", map[string]any{"object": object}},
		{expression.Rule, "change.object", map[string]any{"change": map[string]any{"object": object}}},
	} {
		program, err := subject.compile(strings.NewReplacer("$object", subject.object, "$text", subject.object+".text").Replace(source))
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		_, err = program.Holds(subject.variables)
		if err == nil {
			t.Fatalf("%s has a value", source)
		}
		said = append(said, texts(err))
	}
	return said
}

// TestNoValueOfAnObjectIsTold: what rules and health read may be a secret, and why they have no value is stored, logged and shown.
func TestNoValueOfAnObjectIsTold(t *testing.T) {
	const marker, number = "Hunter2-Marker", 918273645
	for _, source := range leaking {
		for _, text := range noValue(t, source, hidden(marker, number)) {
			if strings.Contains(strings.ToLower(text), "hunter2") || strings.Contains(text, fmt.Sprint(number)) {
				t.Errorf("%s tells a value: %s", source, text)
			}
		}
	}
}

// TestWhateverTheValueIs: no value of an object changes what is said, not even one that looks like a message of CEL.
func TestWhateverTheValueIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		source := rapid.SampledFrom(leaking).Draw(t, "expression")
		start := rapid.SampledFrom([]string{"", "no such key: ", "index out of bounds: ", "\n", "`", "\"", "(", "%s", "9", "-"}).Draw(t, "start")
		marker := start + "Zq" + rapid.StringMatching(`[A-Za-z0-9._/+=-]{8,40}`).Draw(t, "marker")
		number := rapid.Int64Range(1_000_000_000, 9_000_000_000).Draw(t, "number")
		for _, text := range noValue(t, source, hidden(marker, number)) {
			if strings.Contains(text, marker[len(start):]) || strings.Contains(text, fmt.Sprint(number)) {
				t.Fatalf("%s tells a value: %s", source, text)
			}
		}
	})
}

// TestKeysThatStandInTheExpressionAreNamed: whoever mistypes a field is told which.
func TestKeysThatStandInTheExpressionAreNamed(t *testing.T) {
	long := strings.Repeat("k", 101)
	for source, want := range map[string]string{
		`object.data.missing == 1`:                   "no such key: missing",
		`object.data["missing"] == 1`:                "no such key: missing",
		`object.data["app.kubernetes.io/name"] == 1`: "no such key: app.kubernetes.io/name",
		`["missing"].all(k, object.data[k] == 1)`:    "no such key: missing",
		`object.data[object.text] == 1`:              "no such key",
		`object.data[1] == 1`:                        "no such key",
		`object.data["two\nlines"] == 1`:             "no such key",
		`object.data["` + long + `"] == 1`:           "no such key",
		`object.list[7] == 1`:                        "an index is out of bounds",
		`object.list["a"] == 1`:                      "an index is not a whole number",
		`object.list[1.5] == 1`:                      "an index is not a whole number",
		`int(object.text) == 1`:                      "a value cannot be converted to the type that is asked for",
		`timestamp(object.text) == timestamp(0)`:     "a text that it takes for a timestamp is none",
		`"a".matches(object.text + "(")`:             "a text that it matches against is no regular expression that is allowed",
		`object.number + 9223372036854775807 == 1`:   "a number, time or duration is beyond its range",
		`object.?missing.value() == 1`:               "an optional value that it takes is not there",
		`timestamp(0).getHours(object.text) == 1`:    "a text that it takes for a time zone is none",
		`"%d".format([object.text]) == ""`:           "one of its functions refused its argument",
		`object.text.all(letter, letter == "a")`:     "a value is null or of another type than the expression takes it for",
	} {
		program, err := expression.Health(source)
		if err != nil {
			t.Fatal(err)
		}
		_, err = program.Holds(map[string]any{"object": hidden("marker", 1)})
		if err == nil || err.Error() != "evaluate the expression: "+want {
			t.Errorf("%s: %v, want %s", source, err, want)
		}
	}
	program, err := expression.Rule("sync.name == ''")
	if err != nil {
		t.Fatal(err)
	}
	const absent = "evaluate the expression: one of its variables has no value here"
	if _, err := program.Holds(nil); err == nil || err.Error() != absent {
		t.Errorf("%v, want %s", err, absent)
	}
}
