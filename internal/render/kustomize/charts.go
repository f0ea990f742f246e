package kustomize

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/kio"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// chart is one that a kustomization names.
type chart struct {
	types.HelmGlobals
	types.HelmChart

	at string // pointer of where it is written
}

const hintHelm = "render the chart beforehand (helm template) and keep the result in the source"

// declareCharts takes the charts of the field helmCharts, or of the one that it was called before.
func (c *checker) declareCharts(value any, pointer, field string) {
	if c.view.charts == nil {
		c.fail(pointer, "charts cannot be rendered here", hintHelm)
		return
	}
	var found []types.HelmChart
	globals := types.HelmGlobals{}
	if field == "helmcharts" {
		given, _ := c.list("helmCharts")
		if len(given) == 0 || !c.decode(value, &found, pointer) {
			return
		}
		for key, value := range c.fields {
			if strings.EqualFold(key, "helmGlobals") && !c.decode(value, &globals, "/"+key) {
				return
			}
		}
	} else {
		var old []types.HelmChartArgs
		if !c.decode(value, &old, pointer) {
			return
		}
		if slices.ContainsFunc(old, func(one types.HelmChartArgs) bool { return len(one.ExtraArgs) > 0 }) {
			c.fail(pointer, "extraArgs are arguments of a program, and no program is started", "write them as fields of helmCharts")
			return
		}
		found, globals = types.SplitHelmParameters(old)
	}
	for i, one := range found {
		c.charts = append(c.charts, chart{globals, one, pointer + "/" + strconv.Itoa(i)})
	}
}

// declarePlugin takes the chart of the configuration of a generator.
func (c *checker) declarePlugin(fields map[string]any, at string) {
	if c.view.charts == nil {
		c.fail(at, "charts cannot be rendered here", hintHelm)
		return
	}
	one := struct {
		types.TypeMeta
		types.HelmGlobals
		types.HelmChart

		Metadata map[string]any `json:"metadata"`
	}{}
	if c.decode(fields, &one, at) {
		c.charts = append(c.charts, chart{one.HelmGlobals, one.HelmChart, at})
	}
}

// decode reads a part of a kustomization strictly.
func (c *checker) decode(value, into any, pointer string) bool {
	text, err := json.Marshal(value)
	if err == nil {
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		err = decoder.Decode(into)
	}
	if err != nil {
		c.fail(pointer, strings.TrimPrefix(err.Error(), "json: "), "the fields are those of Kustomize's own reference")
	}
	return err == nil
}

// inflate renders the charts, and puts what they give among the resources, after those that are written there: where what generators give
// comes too.
func (c *checker) inflate() {
	for key := range c.fields {
		switch strings.ToLower(key) {
		case "helmcharts", "helmglobals", "helmchartinflationgenerator":
			delete(c.fields, key)
		}
	}
	resources, name := c.list("resources")
	for _, one := range c.charts {
		made, err := c.render(one)
		if err != nil {
			c.errs = append(c.errs, err)
		}
		if made != "" {
			resources = append(resources, made)
		}
	}
	if len(c.charts) > 0 {
		c.fields[name] = resources
	}
}

// render renders a chart, and gives the path of a file that the library reads the result from.
func (c *checker) render(one chart) (string, error) {
	if cause, hint := one.wrong(); cause != "" {
		c.fail(one.at, cause, hint)
		return "", nil
	}
	from, dir, ok := c.locate(one)
	if !ok {
		return "", nil
	}
	values, err := c.values(one, from, dir)
	if err != nil {
		return "", err
	}
	v := c.view
	request := v.request
	request.Artifact, request.Path, request.How.Helm = from.files, dir, nil
	text, secrets, err := v.charts.Chart(v.ctx, render.ChartRequest{
		Request: request, Release: cmp.Or(one.ReleaseName, one.Name), Namespace: cmp.Or(one.Namespace, v.namespace(), "default"),
		Values: values, KubeVersion: one.KubeVersion, APIVersions: one.ApiVersions,
		CRDs: one.IncludeCRDs, SkipTests: one.SkipTests, NoHook: one.SkipHooks,
	})
	if err != nil {
		return "", err
	}
	v.secrets = append(v.secrets, secrets...)
	return c.take(one, text)
}

// wrong says what a chart must not ask for.
func (o chart) wrong() (cause, hint string) {
	switch {
	case o.Name == "":
		return "a chart has no name", "give it one"
	case strings.HasPrefix(o.Name, "-") || strings.HasPrefix(o.ReleaseName, "-"):
		return fmt.Sprintf("%q is no name of a chart or release", cmp.Or(o.ReleaseName, o.Name)), "names begin with a letter"
	case o.NameTemplate != "":
		return "nameTemplate makes another name each time", "give the release a name by releaseName"
	case !slices.Contains([]string{"", mergeOverride, mergeMerge, mergeReplace}, o.ValuesMerge):
		return fmt.Sprintf("valuesMerge: %q", o.ValuesMerge), "it is override, merge or replace"
	}
	return "", ""
}

// locate finds a chart below chartHome, or pulls it when it is not there.
func (c *checker) locate(one chart) (from layer, dir string, ok bool) {
	home := cmp.Or(one.ChartHome, types.HelmDefaultHome)
	if one.Version != "" && one.Repo != "" {
		home = path.Join(home, one.Name+"-"+one.Version)
	}
	name, ok := c.file(path.Join(home, one.Name), one.at)
	if !ok {
		return layer{}, "", false
	}
	info, err := c.view.stat(name)
	switch {
	case err == nil && info.IsDir():
		in, inner := c.view.layerOf(name)
		return *in, inner, true
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		c.errs = append(c.errs, render.Fault(c.view.display(name), err))
		return layer{}, "", false
	case one.Repo == "":
		c.fail(one.at, fmt.Sprintf("there is no chart at %s", c.view.display(name)), "put it there, or say in which repo it is")
		return layer{}, "", false
	}
	return c.pull(one)
}

// pull gives a chart of a chart repository.
func (c *checker) pull(one chart) (from layer, dir string, ok bool) {
	what := withoutSecrets(strings.TrimSuffix(one.Repo, "/")) + "/" + one.Name
	if password.MatchString(scheme.ReplaceAllString(one.Repo, "")) {
		c.fail(one.at, fmt.Sprintf("%q cannot be used: %s", what, errSecret), fault.HintOf(errSecret))
		return layer{}, "", false
	}
	if !c.mayFetch(what, one.at) {
		return layer{}, "", false
	}
	version := one.Version
	if version == "" && one.Devel {
		version = ">0.0.0-0"
	}
	mounted, err := c.view.mount(strings.TrimSuffix(what+" "+version, " "), func() (*render.Recorder, error) {
		return c.view.pulled(v1alpha1.SourceSpec{Helm: &v1alpha1.HelmSource{URL: one.Repo, Chart: one.Name, Version: version}})
	})
	if err != nil {
		c.failed(one.at, err)
		return layer{}, "", false
	}
	if _, err := mounted.files.Stat("Chart.yaml"); err == nil {
		return mounted, ".", true
	}
	return mounted, one.Name, true
}

// take marks what a chart gives as the library marks it, and remembers where it is declared.
func (c *checker) take(one chart, text []byte) (string, error) {
	v, origin := c.view, c.origin(one.at)
	title := origin.String() + " (chart " + one.Name + ")"
	if err := v.count(len(text)); err != nil {
		return "", err
	}
	if err := document.Bounded(text, title); err != nil {
		return "", err
	}
	nodes, err := (&kio.ByteReader{Reader: bytes.NewReader(document.Named(text, title)), OmitReaderAnnotations: true}).Read()
	if err != nil {
		return "", fault.Wrap(fault.Invalid, "read", title, err)
	}
	var parts []string
	for _, node := range nodes {
		// The namespace of a kustomization is not put into what a chart has placed elsewhere.
		if err := node.PipeE(kyaml.SetAnnotation(konfig.HelmGeneratedAnnotation, "true")); err != nil {
			return "", fault.Wrap(fault.Invalid, "read", title, err)
		}
		part, err := node.String()
		if err != nil {
			return "", fault.Wrap(fault.Invalid, "read", title, err)
		}
		parts = append(parts, part)
		group, _, ok := strings.Cut(node.GetApiVersion(), "/")
		if !ok {
			group = ""
		}
		v.declared = append(v.declared, declared{
			id: state.ID{Group: group, Kind: node.GetKind(), Namespace: node.GetNamespace(), Name: node.GetName()}, origin: origin,
		})
	}
	return v.put(title, []byte(strings.Join(parts, "---\n"))), nil
}
