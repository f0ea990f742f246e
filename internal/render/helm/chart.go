package helm

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/ignore"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/document"
)

// The bounds of a chart with all the subcharts that it brings along, unpacked. They are half of Helm's or less.
const (
	maxChartFiles = 10_000
	maxChartBytes = 40 << 20
	maxChartFile  = 5 << 20
	maxChartDepth = 32      // directories within directories
	maxChartText  = 2 << 20 // a file that is read as YAML, which takes many times its length
)

var bom = []byte("\xef\xbb\xbf")

// loaded is a chart as it is kept: nothing in it may be changed. See instance.
type loaded struct {
	chart *chart.Chart
	bytes int64
	// own says that it may not be kept for others: a file is reached by a link, so that the hash of the directory does not speak of all
	// that was read, or was decrypted, so that only those who have the key may have it.
	own bool
}

// reading loads one directory.
type reading struct {
	artifact *render.Recorder
	dir      string
	rules    *ignore.Rules
	files    []*archive.BufferedFile
	left     int64 // bytes
	own      bool
}

// read loads the chart in a directory of an artifact.
func read(artifact *render.Recorder, dir string) (one *loaded, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			one, err = nil, fault.New(fault.Invalid, "read", dir, "Helm gives up on this chart")
		}
	}()
	r := reading{artifact: artifact, dir: dir, left: maxChartBytes}
	if err := r.ignored(); err != nil {
		return nil, err
	}
	if err := r.walk("", 0); err != nil {
		return nil, err
	}
	if r.files, err = r.unpack(r.files, 0); err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	made, err := loader.LoadFiles(r.files)
	if err != nil {
		return nil, r.invalid("", err.Error()).WithHint("helm lint says more")
	}
	tidy(made)
	return &loaded{chart: made, bytes: maxChartBytes - r.left, own: r.own}, nil
}

func (r *reading) invalid(name, cause string) *fault.Error {
	return fault.New(fault.Invalid, "read", path.Join(r.dir, name), cause)
}

// ignored reads the file that names what is no part of the chart.
func (r *reading) ignored() error {
	r.rules = ignore.Empty()
	data, err := r.artifact.ReadFile(path.Join(r.dir, ignore.HelmIgnore))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return render.Fault(path.Join(r.dir, ignore.HelmIgnore), err)
	default:
		if r.rules, err = ignore.Parse(bytes.NewReader(data)); err != nil {
			return r.invalid(ignore.HelmIgnore, err.Error())
		}
	}
	r.rules.AddDefaults()
	return nil
}

// walk takes the files below a directory of the chart, in the order of their names.
func (r *reading) walk(below string, depth int) error {
	if depth > maxChartDepth {
		return r.invalid(below, fmt.Sprintf("directories nest deeper than %d levels, or a link leads round in a circle", maxChartDepth))
	}
	entries, err := r.artifact.ReadDir(path.Join(r.dir, below))
	if err != nil {
		return render.Fault(path.Join(r.dir, below), err)
	}
	for _, entry := range entries {
		name := path.Join(below, entry.Name())
		if entry.Type()&fs.ModeSymlink != 0 {
			r.own = true
			r.artifact.Link(path.Join(r.dir, name))
		}
		info, err := r.artifact.Stat(path.Join(r.dir, name))
		if err != nil {
			return render.Fault(path.Join(r.dir, name), err)
		}
		switch {
		case r.rules.Ignore(name, info):
		case info.IsDir():
			err = r.walk(name, depth+1)
		default:
			err = r.file(name, info.Size())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) file(name string, size int64) error {
	if err := r.fits(name, size); err != nil {
		return err
	}
	data, err := r.artifact.ReadFile(path.Join(r.dir, name))
	if err != nil {
		return render.Fault(path.Join(r.dir, name), err)
	}
	r.own = r.own || r.artifact.Sensitive(path.Join(r.dir, name))
	return r.take(&r.files, name, data)
}

// take adds a file to a chart.
func (r *reading) take(files *[]*archive.BufferedFile, name string, data []byte) error {
	if err := r.fits(name, int64(len(data))); err != nil {
		return err
	}
	r.left -= int64(len(data))
	*files = append(*files, &archive.BufferedFile{Name: name, Data: bytes.TrimPrefix(data, bom)})
	return nil
}

// fits says whether a file may still be part of the chart.
func (r *reading) fits(name string, size int64) error {
	switch {
	case size > maxChartFile:
		return r.invalid(name, fmt.Sprintf("a file of a chart is longer than %d MiB", maxChartFile>>20)).
			WithHint("name it in " + ignore.HelmIgnore + " if the chart does not need it")
	case size > r.left || len(r.files) >= maxChartFiles:
		cause := fmt.Sprintf("the chart has more than %d files or %d MiB", maxChartFiles, maxChartBytes>>20)
		return r.invalid("", cause).WithHint("name what it does not need in " + ignore.HelmIgnore)
	}
	return nil
}

// yamlFiles are read as YAML when a chart is loaded.
var yamlFiles = []string{"Chart.yaml", "Chart.lock", "values.yaml", "requirements.yaml", "requirements.lock"}

// check refuses YAML that takes too much memory, before Helm reads it.
func (r *reading) check() error {
	if !slices.ContainsFunc(r.files, func(f *archive.BufferedFile) bool { return f.Name == "Chart.yaml" }) {
		return fault.New(fault.NotFound, "read", r.dir, "there is no Chart.yaml").
			WithHint("name the directory of the chart by the Sync's path, or by helm.chart")
	}
	for _, file := range r.files {
		if !slices.Contains(yamlFiles, path.Base(file.Name)) || strings.HasPrefix(file.Name, "templates/") {
			continue
		}
		if err := boundedYAML(file.Data, path.Join(r.dir, file.Name)); err != nil {
			return err
		}
	}
	return nil
}

func boundedYAML(data []byte, name string) error {
	if len(data) > maxChartText {
		return fault.New(fault.Invalid, "read", name, fmt.Sprintf("the file is longer than %d MiB", maxChartText>>20))
	}
	return document.Bounded(data, name)
}

// tidy puts subcharts into the order of their names, as Helm's own is another each time.
func tidy(c *chart.Chart) {
	subcharts := slices.Clone(c.Dependencies())
	slices.SortStableFunc(subcharts, func(a, b *chart.Chart) int {
		return strings.Compare(a.Name()+"@"+a.Metadata.Version, b.Name()+"@"+b.Metadata.Version)
	})
	c.SetDependencies(subcharts...)
	c.Raw = nil // nobody asks for it, and it is all of the chart once more
	for _, one := range subcharts {
		tidy(one)
	}
}
