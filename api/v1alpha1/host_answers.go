package v1alpha1

// AppStatus is how an App is doing.
type AppStatus struct {
	Name   string `json:"name"`
	Sync   string `json:"sync"` // that owns it
	Health Health `json:"health"`
	// Release is the number of the one that runs; 0 before the first.
	Release int `json:"release,omitempty"`
	// RolledBack is the release that a person has gone back to; 0 when nobody has. See Releases.
	RolledBack int `json:"rolledBack,omitempty"`
}

// AppList is every App of an agent, in the order of their names.
type AppList struct {
	Apps []AppStatus `json:"apps"`
}
