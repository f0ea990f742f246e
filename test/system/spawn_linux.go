package system

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// starter starts all processes from one thread that never ends: they die with it, so a test process that is killed leaves none.
var starter struct {
	once  sync.Once
	calls chan func()
}

func spawn(command *exec.Cmd) error {
	starter.once.Do(func() {
		starter.calls = make(chan func())
		go func() { // lives as long as the test process
			runtime.LockOSThread()
			for call := range starter.calls {
				call()
			}
		}()
	})
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	result := make(chan error)
	starter.calls <- func() { result <- command.Start() }
	return <-result
}
