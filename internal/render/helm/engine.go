package helm

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	anychart "helm.sh/helm/v4/pkg/chart"
	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// Helm's own engine gives no hold on the templates that it parses nor on what they write, and so cannot be kept within bounds. What it
// does beyond text/template is little; it is done here in the same way, and tests compare the two.

// engine executes the templates of one render.
type engine struct {
	root      *template.Template
	functions template.FuncMap
	budget    *budget
	made      *randoms
	texts     map[string]map[string]*parse.Tree // given to tpl before, by the text
}

// maxTexts bounds the texts that are remembered.
const maxTexts = 1000

// renderable is one template with what it is given.
type renderable struct {
	text     string
	values   common.Values
	basePath string
}

// execute gives what each template file says, by its name: "podinfo/templates/service.yaml".
func (j *job) execute(ctx context.Context, tree *chart.Chart, top common.Values) (files map[string]string, err error) {
	made := &randoms{job: j, inputs: inputsOf(j.identity, top)}
	budget := newBudget(ctx, j.options.limits)
	defer func() {
		if caught := recover(); caught != nil {
			files, err = nil, j.panicked(ctx, caught)
		}
	}()
	all := map[string]renderable{}
	gather(tree, all, top)
	e := &engine{budget: budget, made: made, texts: map[string]map[string]*parse.Tree{}}
	e.functions = functionsOf(ctx, j, budget, made)
	files, name, err := e.render(all)
	if err != nil {
		return nil, j.explain(ctx, name, err)
	}
	return files, made.keep(ctx)
}

// panicked tells a panic outside of functions, where text/template lets it pass.
func (j *job) panicked(ctx context.Context, caught any) error {
	if err, ok := caught.(error); ok {
		return j.explain(ctx, "", err)
	}
	return j.explain(ctx, "", fmt.Errorf("%v", caught))
}

// render executes all templates in Helm's order; name is that of the one that failed.
func (e *engine) render(all map[string]renderable) (files map[string]string, name string, err error) {
	e.root = template.New("gotpl").Option("missingkey=zero")
	e.root.Funcs(e.functions).Funcs(e.bound(e.root))
	names := slices.SortedFunc(maps.Keys(all), deepestFirst)
	for _, name := range names {
		if err := e.add(e.root, name, all[name].text); err != nil {
			return nil, name, err
		}
	}
	files = make(map[string]string, len(names))
	for _, name := range names {
		if strings.HasPrefix(path.Base(name), "_") {
			continue
		}
		values := all[name].values
		e.made.file = name
		values["Template"] = common.Values{"Name": name, "BasePath": all[name].basePath}
		if files[name], err = e.run(e.root.Lookup(name), values); err != nil {
			return nil, name, err
		}
	}
	return files, "", nil
}

// deepestFirst is the order in which Helm parses templates, so that those of a chart win over its subcharts'.
func deepestFirst(a, b string) int {
	if by := strings.Count(b, "/") - strings.Count(a, "/"); by != 0 {
		return by
	}
	return strings.Compare(b, a)
}

// add parses a text into a template and those that it defines.
func (e *engine) add(into *template.Template, name, text string) error {
	trees, err := compile(name, text, e.functions, e.budget.limits)
	if err != nil {
		return err
	}
	_, err = adopt(into, name, trees)
	return err
}

// adopt gives the template of a name, which need not be the one that is found by it: one that is empty does not replace another.
func adopt(into *template.Template, name string, trees map[string]*parse.Tree) (*template.Template, error) {
	into = into.New(name)
	for defined, tree := range trees {
		if _, err := into.AddParseTree(defined, tree); err != nil {
			return nil, err
		}
	}
	return into, nil
}

// run executes a template, with nothing where text/template says that there is no value.
func (e *engine) run(one *template.Template, data any) (string, error) {
	out := output{budget: e.budget}
	if err := one.Execute(&out, data); err != nil {
		return "", err
	}
	return strings.ReplaceAll(out.text.String(), "<no value>", ""), nil
}

// bound gives the functions that execute templates, which see those that are defined where they are called.
func (e *engine) bound(in *template.Template) template.FuncMap {
	return template.FuncMap{
		"include": func(name string, data any) (string, error) {
			out := output{budget: e.budget}
			err := in.ExecuteTemplate(&out, name, data)
			return out.text.String(), err
		},
		"tpl": func(text string, data any) (string, error) { return e.tpl(in, text, data) },
	}
}

// tpl executes a text. What it defines is seen within it alone.
func (e *engine) tpl(parent *template.Template, text string, data any) (string, error) {
	e.budget.fits(int64(len(text)))
	e.budget.spend(int64(len(parent.Templates()))/10 + 1)
	if !strings.Contains(text, "{{") {
		return strings.ReplaceAll(text, "<no value>", ""), nil
	}
	trees, err := e.text(parent.Name(), text)
	if err != nil {
		return "", err
	}
	within, err := parent.Clone()
	if err != nil {
		return "", err
	}
	within.Option("missingkey=zero").Funcs(e.bound(within))
	one, err := adopt(within, parent.Name(), trees)
	if err != nil {
		return "", err
	}
	out, err := e.run(one, data)
	if err != nil {
		return "", fmt.Errorf("in the text given to tpl: %w", err)
	}
	return out, nil
}

// text compiles what is given to tpl, once for each text.
func (e *engine) text(name, text string) (map[string]*parse.Tree, error) {
	if trees, known := e.texts[text]; known {
		return trees, nil
	}
	e.budget.grow(treeWeight * int64(len(text)))
	trees, err := compile(name, text, e.functions, e.budget.limits)
	if err != nil {
		return nil, fmt.Errorf("in the text given to tpl: %w", err)
	}
	if len(e.texts) < maxTexts {
		e.texts[text] = trees
	}
	return trees, nil
}

// treeWeight is how many bytes a parsed template takes for one of its text.
const treeWeight = 16

// gather collects the templates of a chart and its subcharts, each with the values of its chart.
func gather(c *chart.Chart, into map[string]renderable, values common.Values) map[string]any {
	outer := values.AsMap()
	subcharts := map[string]any{}
	own := map[string]any{
		"Chart": metadataOf(c), "Files": filesOf(c), "Release": outer["Release"], "Capabilities": outer["Capabilities"],
		"Values": make(common.Values), "Subcharts": subcharts,
	}
	if c.IsRoot() {
		own["Values"] = outer["Values"]
	} else if table, err := values.Table("Values." + c.Name()); err == nil {
		own["Values"] = table
	}
	for _, sub := range c.Dependencies() {
		subcharts[sub.Name()] = gather(sub, into, own)
	}
	library := strings.EqualFold(c.Metadata.Type, "library")
	for _, file := range c.Templates {
		if library && !strings.HasPrefix(path.Base(file.Name), "_") {
			continue
		}
		into[path.Join(c.ChartFullPath(), file.Name)] = renderable{
			text: string(file.Data), values: own, basePath: path.Join(c.ChartFullPath(), "templates"),
		}
	}
	return own
}

// metadataOf gives what Chart.yaml says, as templates see it.
func metadataOf(c *chart.Chart) map[string]any {
	accessor, err := anychart.NewAccessor(c)
	if err != nil {
		return map[string]any{} // cannot be: it is a chart
	}
	metadata := accessor.MetadataAsMap()
	metadata["IsRoot"] = accessor.IsRoot()
	return metadata
}

// said is what a chart says itself, by fail or required.
type said struct{ message string }

func (s said) Error() string { return s.message }

func required(message string, value any) (any, error) {
	if value == nil || value == "" {
		return value, said{message}
	}
	return value, nil
}

func fail(message string) (string, error) { return "", said{message} }
