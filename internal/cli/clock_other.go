//go:build !linux

package cli

// clockSynchronized cannot be asked here.
func clockSynchronized() (synchronized, known bool) { return false, false }
