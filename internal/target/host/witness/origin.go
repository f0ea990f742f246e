package witness

import "slices"

// Who runs "sed" or "sh" says little: what is of interest is the program that had it done.
var (
	// shells start what others want.
	shells = []string{
		"sh", "bash", "dash", "ash", "zsh", "ksh", "fish", "busybox", "sudo", "su", "doas", "env", "xargs", "find", "timeout", "nohup",
		"nice", "setsid", "script",
	}
	// tools do one thing for somebody.
	tools = []string{
		"cp", "mv", "rm", "ln", "sed", "awk", "tee", "cat", "dd", "chmod", "chown", "chgrp", "touch", "install", "mkdir", "rmdir",
		"truncate", "setfacl", "chattr", "patch", "sort", "head", "tail", "printf", "echo",
	}
	// doors are where people and the host itself come in: behind them is nothing that says more.
	doors = []string{
		"systemd", "init", "login", "sshd", "sshd-session", "tmux", "tmux: server", "screen", "SCREEN", "containerd-shim", "runc",
	}
)

// maxGenerations bounds how far back is looked.
const maxGenerations = 8

// origin gives the program that had a tool or a shell do what it did, or "".
func origin(proc string, of facts) string {
	if !slices.Contains(tools, of.command) && !slices.Contains(shells, of.command) {
		return ""
	}
	for range maxGenerations {
		if of.parent <= 1 {
			return ""
		}
		p, err := openProcess(proc, of.parent)
		if err != nil {
			return ""
		}
		of, err = p.facts()
		p.close()
		switch {
		case err != nil || slices.Contains(doors, of.command):
			return ""
		case !slices.Contains(tools, of.command) && !slices.Contains(shells, of.command):
			return of.command
		}
	}
	return ""
}
