package cluster

import "syscall"

// ownGroup puts a process into a group of its own, so that a terminal's Ctrl-C reaches only us, and has the kernel kill it
// when we die, however we die.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
