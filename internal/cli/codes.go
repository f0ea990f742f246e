package cli

import (
	"fmt"
	"strings"
)

// meanings of the exit codes, as every command's help lists them.
var meanings = map[int]string{
	exitDone:       "done",
	exitError:      "error",
	exitUsage:      "wrong usage",
	exitDifferent:  "differences were found",
	exitNotHealthy: "not healthy",
}

// codes ends a command's description with its exit codes: the three of every command, and more.
func codes(more ...int) string {
	var b strings.Builder
	b.WriteString("\n\nExit codes:")
	for _, code := range append([]int{exitDone, exitError, exitUsage}, more...) {
		fmt.Fprintf(&b, "\n  %d  %s", code, meanings[code])
	}
	return b.String()
}
