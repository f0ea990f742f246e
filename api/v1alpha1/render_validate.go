package v1alpha1

import (
	"fmt"
	"strings"
)

// rendering checks how a path becomes objects.
func (c *checks) rendering(s *Sync) {
	const at = "/spec"
	how := &s.Spec.Rendering
	c.oneOf(at, []choice{{"helm", how.Helm != nil}, {"jsonnet", how.Jsonnet != nil}, {"cue", how.CUE != nil}})
	if how.Helm != nil {
		c.helm(s, how.Helm, at+"/helm")
	}
	if how.Jsonnet != nil {
		c.some(at+"/jsonnet/libraries", how.Jsonnet.Libraries)
		for i, library := range how.Jsonnet.Libraries {
			c.pathIn(fmt.Sprintf("%s/jsonnet/libraries/%d", at, i), library, "the source")
		}
	}
	if how.CUE != nil {
		for _, name := range sorted(how.CUE.Tags) {
			c.form(at+"/cue/tags/"+escape.Replace(name), name, formCUETag, "the name of a tag")
		}
	}
	if how.Substitute != nil {
		c.substitute(how.Substitute, at+"/substitute")
	}
	if how.Decrypt != nil {
		c.decrypt(how.Decrypt, at+"/decrypt/keys")
	}
}

func (c *checks) helm(s *Sync, h *Helm, at string) {
	c.pathIn(at+"/chart", h.Chart, "the source")
	c.pathIn(at+"/postRender", h.PostRender, "the source")
	c.form(at+"/namespace", h.Namespace, formName, "the name of a namespace")
	c.word(at+"/crds", h.CRDs, wordsCRDs...)
	if h.Release != "" && (len(h.Release) > maxReleaseName || !formRelease.MatchString(h.Release)) {
		c.add(at+"/release", fmt.Sprintf("%q is not the name of a release", h.Release),
			fmt.Sprintf("want at most %d of a-z, 0-9, - and ., beginning and ending with a letter or digit", maxReleaseName))
	}
	if h.Release == "" && len(s.Metadata.Name) > maxReleaseName {
		c.add(at+"/release", "is missing, and the name of the Sync is longer than that of a release may be",
			fmt.Sprintf("give the release a name of at most %d letters", maxReleaseName))
	}
	if h.History < 0 || h.History > maxHistory {
		c.add(at+"/history", fmt.Sprintf("must be from 1 to %d", maxHistory), "")
	}
	for i := range h.ValuesFrom {
		c.helmValues(&h.ValuesFrom[i], fmt.Sprintf("%s/valuesFrom/%d", at, i))
	}
}

func (c *checks) helmValues(v *HelmValues, at string) {
	given := c.oneOf(at, []choice{{"file", v.File != ""}, {"configMap", v.ConfigMap != nil}, {"secret", v.Secret != nil}})
	if given == 0 {
		c.add(at, "says nowhere to take values from", "give it one of file, configMap and secret")
	}
	c.pathIn(at+"/file", v.File, "the source")
	c.objectName(at+"/configMap", v.ConfigMap)
	c.objectName(at+"/secret", v.Secret)
	if v.Key != "" && v.File != "" {
		c.add(at+"/key", "is for a configMap or secret", "remove it: the whole file is taken")
	}
	c.form(at+"/key", v.Key, formKey, "a key of a ConfigMap or Secret")
	c.form(at+"/at", v.At, formValueAt, `the path of a value, as in "image.tag"`)
}

// objectName demands a name where an object is named.
func (c *checks) objectName(at string, named *ObjectName) {
	if named != nil {
		c.required(at+"/name", named.Name)
		c.form(at+"/namespace", named.Namespace, formName, "the name of a namespace")
	}
}

func (c *checks) substitute(s *Substitute, at string) {
	for i, from := range s.From {
		here := fmt.Sprintf("%s/from/%d", at, i)
		if c.oneOf(here, []choice{{"configMap", from.ConfigMap != nil}, {"secret", from.Secret != nil}}) == 0 {
			c.add(here, "says nowhere to take values from", "give it one of configMap and secret")
		}
		c.objectName(here+"/configMap", from.ConfigMap)
		c.objectName(here+"/secret", from.Secret)
	}
	for _, name := range sorted(s.Values) {
		if !formVariable.MatchString(name) {
			c.add(at+"/values/"+escape.Replace(name), fmt.Sprintf("%q cannot be written as ${NAME}", name),
				"want letters, digits and _, and no digit in front")
		}
	}
	c.some(at+"/environment", s.Environment)
	c.unique(at+"/environment", s.Environment)
	for i, name := range s.Environment {
		c.variable(fmt.Sprintf("%s/environment/%d", at, i), name)
	}
}

func (c *checks) decrypt(d *Decrypt, at string) {
	if len(d.Keys) == 0 {
		c.add(at, "is empty", "name at least one key, or remove decrypt: then the keys of the agent's environment count")
	}
	for i, key := range d.Keys {
		here := fmt.Sprintf("%s/%d", at, i)
		given := c.oneOf(here, []choice{{"env", key.Env != ""}, {"file", key.File != ""}, {"secret", key.Secret != nil}})
		if given == 0 {
			c.add(here, "says nowhere to read a key from", "give it one of env, file and secret")
		}
		if strings.HasPrefix(key.Env, "AGE-SECRET-KEY-") { // not shown
			c.add(here+"/env", "is a key, not where to read it", "put the key into a variable of the agent, and name the variable")
		} else {
			c.form(here+"/env", key.Env, formVariable, "the name of an environment variable")
		}
		c.hostPath(here+"/file", key.File)
		c.objectName(here+"/secret", key.Secret)
	}
}
