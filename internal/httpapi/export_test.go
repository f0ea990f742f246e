package httpapi

// RouteCount is the number of lines of the route table.
func RouteCount() int { return len(routes()) }

// Paths are those of the route table.
func Paths() []string {
	var paths []string
	for _, r := range routes() {
		paths = append(paths, r.path)
	}
	return paths
}

// StreamLimit is how many may follow at the same time.
const StreamLimit = streamLimit
