//go:build !linux

package registry

import "syscall"

// bound is for Linux; elsewhere a test that is killed leaves the registry behind.
func bound() *syscall.SysProcAttr { return nil }
