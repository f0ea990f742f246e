package v1alpha1

import "time"

// The values that stand in for fields left out.
const (
	DefaultInterval     = Duration(time.Minute)
	DefaultFetchTimeout = Duration(time.Minute)
	DefaultTimeout      = Duration(5 * time.Minute)
	DefaultRetryInitial = Duration(5 * time.Second)
	DefaultRetryMax     = Duration(10 * time.Minute)
	DefaultPath         = "."
)

// Default fills in what was left out.
func (s *Source) Default() {
	setDefault(&s.APIVersion, APIVersion)
	setDefault(&s.Kind, KindSource)
	s.Spec.Default()
}

// Default fills in what was left out.
func (s *SourceSpec) Default() {
	setDefault(&s.Interval, DefaultInterval)
	setDefault(&s.Timeout, DefaultFetchTimeout)
	s.Verify.setDefaults()
}

// Default fills in what was left out and is not inherited from the parent (source, to).
func (s *Sync) Default() {
	setDefault(&s.APIVersion, APIVersion)
	setDefault(&s.Kind, KindSync)
	spec := &s.Spec
	if spec.Source != nil && spec.Source.Name == "" {
		spec.Source.Default()
	}
	if spec.Prune == nil {
		prune := true
		spec.Prune = &prune
	}
	setDefault(&spec.Path, DefaultPath)
	setDefault(&spec.Drift, DriftCorrect)
	setDefault(&spec.Deletion, DeletionPrune)
	setDefault(&spec.Timeout, DefaultTimeout)
	setDefault(&spec.Retry.Initial, DefaultRetryInitial)
	setDefault(&spec.Retry.Max, max(DefaultRetryMax, spec.Retry.Initial))
	for i := range spec.DependsOn {
		spec.DependsOn[i].setDefaults()
	}
	setDefault(&spec.Rollback, RollbackNever)
	setDefault(&spec.Guards.MassDeletion, GuardHold)
	for i := range spec.Health {
		spec.Health[i].setDefaults()
	}
	for i := range spec.Imports {
		spec.Imports[i].setDefaults()
	}
	spec.Rendering.setDefaults()
	spec.Constraints.setDefaults()
}

func (r *Reference) setDefaults() {
	if r.Kind == KindSync || r.Kind == KindSource || r.Kind == KindPolicy {
		setDefault(&r.Group, Group)
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
