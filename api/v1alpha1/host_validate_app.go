package v1alpha1

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

func (a *App) violations() []violation {
	var c checks
	c.name(a.Metadata.Name)
	if len(a.Metadata.Name) > MaxAppName {
		c.add("/metadata/name", fmt.Sprintf("is longer than %d letters", MaxAppName), "users and control groups are named after an App")
	}
	spec := &a.Spec
	c.build(&spec.Build)
	for _, name := range spec.Types() {
		c.process(name, spec.Processes[name])
	}
	c.ports(spec)
	c.env("/spec/env", spec.Env)
	for i, from := range spec.EnvFrom {
		c.envFrom(fmt.Sprintf("/spec/envFrom/%d", i), from)
	}
	for _, name := range sorted(spec.Secrets) {
		c.target("/spec/secrets", name)
	}
	c.secrets("/spec/secrets", spec.Secrets)
	c.user("/spec/user", spec.User, "the name or number of a user")
	c.user("/spec/group", spec.Group, "the name or number of a group")
	c.expose(spec)
	c.command("/spec/release/pre", spec.Release.Pre)
	for i, need := range spec.Needs {
		c.need(fmt.Sprintf("/spec/needs/%d", i), need)
	}
	c.logs(spec.Logs)
	return c
}

func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

func (c *checks) build(b *Build) {
	const at = "/spec/build"
	switch count := c.oneOf(at, []choice{{"directory", b.Directory != ""}, {"archive", b.Archive != nil}}); {
	case count == 0:
		c.add(at, "names no artifact", "give it a directory of the source, or an archive")
		return
	case b.Digest != "" && b.Directory == "":
		c.add(at+"/digest", "is for a directory", "remove it: an archive has its sha256")
	}
	c.sourceFile(at+"/directory", b.Directory)
	if b.Archive != nil {
		c.archive(at+"/archive", b.Archive)
	}
}

// archive never shows the URL: it may hold a password.
func (c *checks) archive(at string, a *Archive) {
	switch {
	case a.URL == "": // the walk has said it
	case !formArchive.MatchString(a.URL):
		c.add(at+"/url", "is not the URL of a file", "want https://, http:// or file:///")
	case holdsCredentials(a.URL):
		c.add(at+"/url", "holds credentials", "take them out of the URL: whoever holds the archive may serve it, its sha256 is what counts")
	}
	c.form(at+"/sha256", a.SHA256, formSHA256, "a SHA-256: want all 64 hexadecimal digits")
}

func holdsCredentials(address string) bool {
	parsed, err := url.Parse(address)
	return err == nil && parsed.User != nil
}

func (c *checks) process(name string, p Process) {
	at := "/spec/processes/" + escape.Replace(name)
	switch {
	case !formProcess.MatchString(name):
		c.add(at, fmt.Sprintf("%q is not the name of a process type", name), "want at most 31 of a-z, 0-9 and -, beginning with a letter")
		return
	case name == "pre" || name == "exec":
		c.add(at, fmt.Sprintf("%q means something else already", name), "choose another name for the process type")
		return
	}
	c.command(at+"/command", p.Command)
	c.pathIn(at+"/directory", p.Directory, "the build")
	c.env(at+"/env", p.Env)
	if p.Check != nil {
		c.check(at+"/check", p.Check)
	}
	c.amount(at+"/limits/memory", p.Limits.Memory, amount{ParseBytes, minMemory, 0, `want for example "256Mi"`})
	c.amount(at+"/limits/cpu", p.Limits.CPU, amount{ParseCPU, minCPU, 0, `want for example "0.5"`})
}

func (c *checks) check(at string, p *ProcessCheck) {
	c.oneOf(at, []choice{{"http", p.HTTP != ""}, {"tcp", p.TCP}, {"command", p.Command != nil}})
	if p.HTTP != "" && !formRequest.MatchString(p.HTTP) {
		c.add(at+"/http", fmt.Sprintf("%q is not a path to ask for", p.HTTP), "want for example /healthz: host and port are the process's")
	}
	c.command(at+"/command", p.Command)
}

// amount says how a quantity is read, and its bounds; most 0 is none.
type amount struct {
	parse       func(string) (int64, error)
	least, most int64
	hint        string
}

func (c *checks) amount(at, text string, want amount) {
	if text == "" {
		return
	}
	switch value, err := want.parse(text); {
	case err != nil:
		c.add(at, err.Error(), "")
	case value < want.least:
		c.add(at, fmt.Sprintf("%q is too little", text), want.hint)
	case want.most != 0 && value > want.most:
		c.add(at, fmt.Sprintf("%q is too much", text), want.hint)
	}
}

func (c *checks) logs(l LogPolicy) {
	c.amount("/spec/logs/size", l.Size, amount{ParseBytes, minLog, maxLog, `want from "64Ki" to "10Gi"`})
}

// env checks names and values of environment variables, and shows only the names.
func (c *checks) env(at string, env map[string]string) {
	for _, name := range sorted(env) {
		c.target(at, name)
		if strings.ContainsRune(env[name], 0) {
			c.add(at+"/"+escape.Replace(name), "holds a NUL character", "")
		}
	}
}

// target checks the name of a variable that processes are given.
func (c *checks) target(at, name string) {
	at += "/" + escape.Replace(name)
	if name == "PORT" {
		c.add(at, "PORT is what each process is told to bind", "say port under the process type, or leave it out for a free one")
		return
	}
	c.variable(at, name)
}

func (c *checks) envFrom(at string, from EnvSource) {
	count := c.oneOf(at, []choice{
		{"file", from.File != ""}, {"hostFile", from.HostFile != ""},
		{"configMap", from.ConfigMap != nil}, {"secret", from.Secret != nil},
	})
	switch {
	case count == 0:
		c.add(at, "names no place to read from", "give it one of file, hostFile, configMap and secret")
		return
	case from.Values != nil && from.File == "":
		c.add(at+"/values", "is for a file", "remove it: it is filled in when the declaration is rendered")
	}
	c.sourceFile(at+"/file", from.File)
	c.hostPath(at+"/hostFile", from.HostFile)
	if from.ConfigMap != nil {
		c.form(at+"/configMap/namespace", from.ConfigMap.Namespace, formName, "the name of a namespace")
	}
	if from.Secret != nil {
		c.form(at+"/secret/namespace", from.Secret.Namespace, formName, "the name of a namespace")
	}
}

func (c *checks) expose(s *AppSpec) {
	const at = "/spec/expose"
	e, types := s.Expose, s.Types()
	if e == nil {
		return
	}
	if _, err := netip.ParseAddr(e.Address); err != nil && e.Address != "localhost" {
		c.add(at+"/address", fmt.Sprintf("%q is not an address of this host", e.Address), "want an IP address or localhost")
	}
	c.word(at+"/protocol", e.Protocol, ProtocolHTTP, ProtocolTCP)
	c.form(at+"/process", e.Process, formProcess, "the name of a process type")
	switch {
	case len(types) == 0: // the Procfile's, which is not here
	case e.Process == "":
		c.add(at+"/process", "which process type gets the traffic? None is called "+DefaultProcess, "name one of "+listed(types))
	case !slices.Contains(types, e.Process):
		c.add(at+"/process", fmt.Sprintf("there is no process type %q", e.Process), "declared: "+strings.Join(types, ", "))
	}
}

// need never shows the URL: it may hold a password.
func (c *checks) need(at string, n Need) {
	c.word(at+"/check", n.Check, ProtocolTCP, ProtocolHTTP)
	if n.URL == "" || strings.Contains(n.URL, "$") { // what stands for the variable is only known when the app starts
		return
	}
	parsed, err := url.Parse(n.URL)
	switch {
	case err != nil || parsed.Host == "":
		c.add(at+"/url", "is not the URL of a service", "want for example postgres://db.example.com:5432, or $DATABASE_URL")
	case parsed.User != nil:
		c.add(at+"/url", "holds credentials", "keep the URL under secrets, and write $NAME here")
	case n.Check == ProtocolHTTP && parsed.Scheme != "http" && parsed.Scheme != "https":
		c.add(at+"/url", "does not speak HTTP", "write an http or https URL, or check: tcp")
	case n.Check == ProtocolTCP && parsed.Port() == "" && ServicePort(parsed.Scheme) == 0:
		c.add(at+"/url", "names no port", "write it behind the host: db.example.com:5432")
	}
}

// ServicePort gives the port of a backing service whose URL names none, by the URL's scheme; 0 when nobody knows.
func ServicePort(scheme string) int { return servicePorts[scheme] }

var servicePorts = map[string]int{
	"http": 80, "https": 443, "postgres": 5432, "postgresql": 5432, "mysql": 3306, "redis": 6379, "rediss": 6379, "amqp": 5672,
	"amqps": 5671, "mongodb": 27017, "nats": 4222, "smtp": 25, "memcached": 11211,
}
