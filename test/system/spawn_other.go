//go:build !linux

package system

import "os/exec"

func spawn(command *exec.Cmd) error { return command.Start() }
