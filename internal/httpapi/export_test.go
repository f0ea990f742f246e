package httpapi

// RouteCount is the number of lines of the route table.
func RouteCount() int { return len(routes()) }
