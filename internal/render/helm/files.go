package helm

import (
	"encoding/base64"
	"path"
	"slices"
	"strings"

	"github.com/gobwas/glob"
	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// files are those of a chart that are no templates, as templates see them (.Files). What their methods make is counted by guards.
type files map[string][]byte

func filesOf(c *chart.Chart) files {
	all := make(files, len(c.Files))
	for _, file := range c.Files {
		all[file.Name] = file.Data
	}
	return all
}

// GetBytes gives the content of a file, and nothing where there is none.
func (f files) GetBytes(name string) []byte {
	if data, ok := f[name]; ok {
		return data
	}
	return []byte{}
}

// Get gives the content of a file as text.
func (f files) Get(name string) string { return string(f.GetBytes(name)) }

// The bounds of a pattern of Glob: trying one out takes longer with each that may stand for several texts.
const (
	maxGlob      = 512
	maxWildcards = 12
)

// Glob gives the files whose paths fit a pattern; all of those at the root when it is none.
func (f files) Glob(pattern string) files {
	if len(pattern) > maxGlob || strings.Count(pattern, "*")+strings.Count(pattern, "{")+strings.Count(pattern, ",") > maxWildcards {
		panic(refusal{"a pattern of .Files.Glob has too many parts that may stand for several texts"})
	}
	compiled, err := glob.Compile(pattern, '/')
	if err != nil {
		compiled = glob.MustCompile("**")
	}
	found := files{}
	for name, data := range f {
		if compiled.Match(name) {
			found[name] = data
		}
	}
	return found
}

// AsConfig gives the files as the data of a ConfigMap, by the last parts of their paths.
func (f files) AsConfig() string {
	return f.asYAML(func(data []byte) string { return string(data) })
}

// AsSecrets gives the files as the data of a Secret.
func (f files) AsSecrets() string {
	return f.asYAML(base64.StdEncoding.EncodeToString)
}

func (f files) asYAML(write func([]byte) string) string {
	if f == nil {
		return ""
	}
	data := make(map[string]string, len(f))
	for _, name := range f.names() { // of two with the same last part always the same wins
		data[path.Base(name)] = write(f[name])
	}
	text, err := toYAML(data)
	if err != nil {
		return ""
	}
	return text
}

func (f files) names() []string {
	names := make([]string, 0, len(f))
	for name := range f {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Lines gives the lines of a file.
func (f files) Lines(name string) []string {
	if len(f[name]) == 0 {
		return []string{}
	}
	return strings.Split(strings.TrimSuffix(string(f[name]), "\n"), "\n")
}
