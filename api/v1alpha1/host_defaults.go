package v1alpha1

import (
	"slices"
	"time"
)

// The values that stand in for fields of a host's kinds that are left out.
const (
	DefaultFileMode          = "0644"
	DefaultSensitiveMode     = "0600"
	DefaultDirectoryMode     = "0755"
	DefaultValidationTimeout = Duration(10 * time.Second)

	DefaultReplicas       = 1
	DefaultGrace          = Duration(10 * time.Second)
	DefaultCheckInterval  = Duration(time.Second)
	DefaultCheckTimeout   = Duration(time.Second)
	DefaultHealthy        = 1
	DefaultUnhealthy      = 3
	DefaultAddress        = "127.0.0.1"
	DefaultProcess        = "web" // gets the traffic, where there are several
	DefaultPreTimeout     = Duration(5 * time.Minute)
	DefaultReleaseTimeout = Duration(time.Minute)
	DefaultDrain          = Duration(30 * time.Second)
	DefaultKeep           = 5
	DefaultNeedInterval   = Duration(10 * time.Second)
	DefaultNeedTimeout    = Duration(2 * time.Second)
	DefaultLogSize        = "10Mi"
	DefaultLogFiles       = 3
)

// Default fills in what was left out; content that comes from a secret makes the file sensitive.
func (f *File) Default() {
	setDefault(&f.APIVersion, APIVersionHost)
	setDefault(&f.Kind, KindFile)
	spec := &f.Spec
	secret := spec.ContentFrom != nil && spec.ContentFrom.Secret != nil || spec.Template != nil && len(spec.Template.Secrets) > 0
	spec.Sensitive = spec.Sensitive || secret
	if spec.Sensitive {
		setDefault(&spec.Mode, DefaultSensitiveMode)
	}
	setDefault(&spec.Mode, DefaultFileMode)
	setDefault(&spec.Deletion, DeletionRemove)
	if spec.Validate != nil {
		setDefault(&spec.Validate.Timeout, DefaultValidationTimeout)
	}
}

// Default fills in what was left out.
func (d *Directory) Default() {
	setDefault(&d.APIVersion, APIVersionHost)
	setDefault(&d.Kind, KindDirectory)
	setDefault(&d.Spec.Mode, DefaultDirectoryMode)
	setDefault(&d.Spec.Deletion, DeletionRemove)
}

// Default fills in what was left out.
func (l *Link) Default() {
	setDefault(&l.APIVersion, APIVersionHost)
	setDefault(&l.Kind, KindLink)
	setDefault(&l.Spec.Deletion, DeletionRemove)
}

// Default fills in what was left out. What depends on the process types stays open where they are those of a Procfile: see
// Expose.Choose and Process.Default.
func (a *App) Default() {
	setDefault(&a.APIVersion, APIVersionHost)
	setDefault(&a.Kind, KindApp)
	spec := &a.Spec
	exposed := spec.Expose.Choose(spec.Types())
	if spec.Expose != nil {
		spec.Expose.Process = exposed
		setDefault(&spec.Expose.Address, DefaultAddress)
		setDefault(&spec.Expose.Protocol, ProtocolHTTP)
	}
	for name, process := range spec.Processes {
		process.Default(name == exposed)
		spec.Processes[name] = process
	}
	for i := range spec.EnvFrom {
		spec.EnvFrom[i].ConfigMap.setDefaults()
		spec.EnvFrom[i].Secret.setDefaults()
	}
	for i := range spec.Needs {
		setDefault(&spec.Needs[i].Check, ProtocolTCP)
		setDefault(&spec.Needs[i].Interval, DefaultNeedInterval)
		setDefault(&spec.Needs[i].Timeout, DefaultNeedTimeout)
	}
	spec.Release.Default()
	setDefault(&spec.Logs.Size, DefaultLogSize)
	setDefault(&spec.Logs.Files, DefaultLogFiles)
}

// Default fills in what was left out.
func (r *ReleasePolicy) Default() {
	setDefault(&r.PreTimeout, DefaultPreTimeout)
	setDefault(&r.Timeout, DefaultReleaseTimeout)
	setDefault(&r.Drain, DefaultDrain)
	setDefault(&r.Keep, DefaultKeep)
}

// Default fills in what was left out, of a process type that is exposed or not. A nil Check afterwards means that it has to run for a
// second.
func (p *Process) Default(exposed bool) {
	if p.Replicas == nil {
		replicas := DefaultReplicas
		p.Replicas = &replicas
	}
	setDefault(&p.Grace, DefaultGrace)
	binds := exposed || p.Port != 0
	if p.Check == nil && binds {
		p.Check = &ProcessCheck{}
	}
	if check := p.Check; check != nil {
		check.TCP = check.TCP || binds && check.HTTP == "" && check.Command == nil
		setDefault(&check.Interval, DefaultCheckInterval)
		setDefault(&check.Timeout, DefaultCheckTimeout)
		setDefault(&check.Healthy, DefaultHealthy)
		setDefault(&check.Unhealthy, DefaultUnhealthy)
	}
}

// Types gives the process types that are declared, in order; none when they are those of the build's Procfile.
func (s *AppSpec) Types() []string {
	types := make([]string, 0, len(s.Processes))
	for name := range s.Processes {
		types = append(types, name)
	}
	slices.Sort(types)
	return types
}

// Choose gives the process type that gets the traffic, out of those that an app has: the one that is named, else web, else the only
// one. It is "" when that decides nothing, and for a nil Expose.
func (e *Expose) Choose(types []string) string {
	switch {
	case e == nil:
		return ""
	case e.Process != "":
		return e.Process
	case slices.Contains(types, DefaultProcess):
		return DefaultProcess
	case len(types) == 1:
		return types[0]
	}
	return ""
}

// setDefaults does nothing where no object is named.
func (n *ObjectName) setDefaults() {
	if n != nil {
		setDefault(&n.Namespace, "default")
	}
}
