package render

// Reads are what a render looked at, with a hash each. (Recording is in recorder.go.)
type Reads map[string]string
