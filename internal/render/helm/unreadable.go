package helm

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"sigs.k8s.io/yaml"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// unreadable tells of text that templates gave and that is no manifest. Helm names the template; its line is told where it can be told.
func (j *job) unreadable(tree *chart.Chart, files map[string]string, err error) error {
	cause := strings.TrimPrefix(err.Error(), "YAML parse error on ")
	name, cause, found := strings.Cut(cause, ": ")
	if !found {
		return j.invalid(j.quoted(err.Error()))
	}
	cause = strings.TrimPrefix(cause, "error converting YAML to JSON: ")
	at := j.source(name)
	if line, why := wrongLine(name, files[name]); line > 0 {
		cause = fmt.Sprintf("line %d of it: %s", line, why)
		all := map[string]renderable{}
		gather(tree, all, common.Values{})
		if written := lineOf(all[name].text, files[name], line); written > 0 {
			at += ":" + strconv.Itoa(written)
		}
	}
	return fault.New(fault.Invalid, "render", at, "what it gives is no manifest: "+j.quoted(cause)).
		WithHint("`helm template --debug` shows what it gives")
}

var yamlLine = regexp.MustCompile(`yaml: line (\d+): (.*)`)

// wrongLine finds the line of a template's output that is no YAML, and why; 0 where nobody tells. Lines of errors are those of a document,
// of which an output may have several.
func wrongLine(name, output string) (line int, why string) {
	for _, one := range documents(manifest{name: name, text: output}) {
		var value any
		err := yaml.Unmarshal([]byte(one.text), &value)
		if err == nil {
			continue
		}
		told := yamlLine.FindStringSubmatch(err.Error())
		start := strings.Index(output, one.text)
		if told == nil || start < 0 {
			return 0, ""
		}
		inside, _ := strconv.Atoi(told[1]) // digits
		inside = min(inside, strings.Count(strings.TrimRight(one.text, "\n"), "\n")+1)
		return strings.Count(output[:start], "\n") + inside, told[2]
	}
	return 0, ""
}

// lineOf finds the line of a template that gave a line of its output: the only one that reads the same, or an action right below such a
// one; 0 where that does not tell.
func lineOf(template, output string, line int) int {
	given, written := strings.Split(output, "\n"), strings.Split(template, "\n")
	if line > len(given) {
		return 0
	}
	if same := only(written, given[line-1]); same > 0 || line < 2 {
		return same
	}
	above := only(written, given[line-2])
	if above > 0 && above < len(written) && strings.Contains(written[above], "{{") {
		return above + 1
	}
	return 0
}

// only gives the number of the one line that has a text, indented or not.
func only(lines []string, text string) (number int) {
	text = strings.TrimSpace(text)
	for i, line := range lines {
		if strings.TrimSpace(line) != text {
			continue
		}
		if number > 0 || text == "" {
			return 0
		}
		number = i + 1
	}
	return number
}
