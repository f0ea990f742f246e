//go:build race

package system

// raceDetector says that the tests were built with the race detector: then the product is, too.
const raceDetector = true
