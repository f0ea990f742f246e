package v1alpha1

// setDefaults fills in what was left out of how a path is rendered. What is left to the Sync (the release's name, its namespace, and that
// of objects that values and keys come from) stays out.
func (r *Rendering) setDefaults() {
	if r.Helm != nil {
		r.Helm.setDefaults()
	}
}

func (h *Helm) setDefaults() {
	setDefault(&h.CRDs, CRDsUpdate)
	setDefault(&h.History, DefaultHelmHistory)
	if h.Record == nil {
		record := true
		h.Record = &record
	}
	for i := range h.ValuesFrom {
		if from := &h.ValuesFrom[i]; from.File == "" {
			setDefault(&from.Key, DefaultHelmValuesKey)
		}
	}
}

func (i *Import) setDefaults() {
	setDefault(&i.Path, DefaultPath)
	if i.Source.Name == "" {
		i.Source.Default()
	}
}

func (v *Verification) setDefaults() {
	if v != nil && v.Git != nil {
		setDefault(&v.Git.Signed, SignedCommit)
	}
}
