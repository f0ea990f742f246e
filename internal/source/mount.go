package source

// Mounted is an artifact that is mounted into another.
type Mounted struct {
	At       string // a directory that is not there, from the root
	Path     string // of the directory of Artifact that is mounted; "." for all of it
	Artifact Artifact
	Name     string // of its upstream, for people
}
