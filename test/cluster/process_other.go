//go:build unix && !linux

package cluster

import "syscall"

// ownGroup puts a process into a group of its own. Only Linux can also promise that it dies with us.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
