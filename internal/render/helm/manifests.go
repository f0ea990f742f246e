package helm

import (
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"

	chart "helm.sh/helm/v4/pkg/chart/v2"
	release "helm.sh/helm/v4/pkg/release/v1"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/render"
)

// manifest is one document that a file of the chart gives.
type manifest struct {
	name string // of the file, as Helm names it: "podinfo/templates/service.yaml"
	text string
}

// rendered is what a chart gives, in Helm's order.
type rendered struct {
	chart       *chart.Chart
	values      map[string]any
	notes       string     // of the chart itself, for people
	definitions []manifest // of the directory crds
	manifests   []manifest
	hooks       []*release.Hook
	skipTests   bool
}

// sort takes the files that templates give apart, and puts what is in them into Helm's order.
func (j *job) sort(tree *chart.Chart, values map[string]any, files map[string]string) (*rendered, error) {
	notes := files[path.Join(tree.Name(), "templates", notesFile)]
	for name := range files {
		if strings.HasSuffix(name, notesFile) {
			delete(files, name)
		}
	}
	hooks, sorted, err := releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
	if err != nil {
		return nil, j.unreadable(tree, files, err)
	}
	made := &rendered{chart: tree, values: values, notes: notes, skipTests: j.noTests}
	if !j.noHooks {
		made.hooks = hooks
	}
	for _, one := range sorted {
		made.manifests = append(made.manifests, manifest{name: one.Name, text: one.Content})
	}
	if j.crds != v1alpha1.CRDsSkip {
		made.definitions = definitionsOf(tree)
	}
	return made, nil
}

// notesFile ends the names of templates that are for people.
const notesFile = "NOTES.txt"

// definitionsOf gives what the directories crds of a chart and its subcharts hold.
func definitionsOf(tree *chart.Chart) []manifest {
	var all []manifest
	for _, definition := range tree.CRDObjects() {
		all = append(all, manifest{name: definition.Filename, text: string(definition.File.Data)})
	}
	return all
}

// text gives all manifests as helm template prints them.
func (r *rendered) text() []byte {
	return []byte(strings.TrimSpace(stream(slices.Concat(r.definitions, r.manifests))) + "\n" + stream(r.ofHooks()))
}

// stream gives manifests one after the other, each with the file that gives it.
func stream(all []manifest) string {
	var b strings.Builder
	for _, one := range all {
		fmt.Fprintf(&b, "---\n# Source: %s\n%s\n", one.name, one.text)
	}
	return b.String()
}

// ofHooks gives the manifests of hooks, but for tests where they are left out.
func (r *rendered) ofHooks() []manifest {
	var all []manifest
	for _, hook := range r.hooks {
		if !r.skipTests || !slices.Contains(hook.Events, release.HookTest) || len(hook.Events) > 1 {
			all = append(all, manifest{name: hook.Path, text: hook.Manifest})
		}
	}
	return all
}

// documents takes a file of manifests apart, as Helm does.
func documents(one manifest) []manifest {
	parts := releaseutil.SplitManifests(one.text)
	keys := make([]string, 0, len(parts))
	for key := range parts {
		keys = append(keys, key)
	}
	sort.Sort(releaseutil.BySplitManifestsOrder(keys))
	all := make([]manifest, len(keys))
	for i, key := range keys {
		all[i] = manifest{name: one.name, text: parts[key]}
	}
	return all
}

// place gives the path in the artifact of a file of the chart.
func (j *job) place(name string) string { return path.Join(j.chart, name) }

// source gives the path in the artifact of a file as Helm names it, which is by the name of the chart instead of its directory.
func (j *job) source(name string) string {
	_, below, _ := strings.Cut(name, "/")
	return j.place(below)
}

// subPath gives the directory of a subchart below that of its chart.
func subPath(c *chart.Chart) string {
	if c.IsRoot() {
		return "."
	}
	return path.Join(subPath(c.Parent()), "charts", c.Name())
}

// replace has a release say what post-rendering has made of it.
func (r *rendered) replace(found []render.Found) error {
	hooks := map[string]*release.Hook{}
	for _, hook := range r.hooks {
		hooks[hook.Kind+"/"+hook.Name] = hook
	}
	r.manifests, r.hooks = nil, nil
	for _, one := range found {
		data, err := toYAML(one.Object.Content())
		if err != nil {
			return err
		}
		if hook := hooks[one.Object.Kind()+"/"+one.Object.ID().Name]; hook != nil && one.Object.Annotation(release.HookAnnotation) != "" {
			changed := *hook
			changed.Manifest = data
			r.hooks = append(r.hooks, &changed)
			continue
		}
		r.manifests = append(r.manifests, manifest{name: one.Object.Origin().File, text: data})
	}
	return nil
}
