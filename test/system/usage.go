package system

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU time in /proc: USER_HZ is 100 wherever Linux runs Go.
const clockTick = 10 * time.Millisecond

// CPU is the processor time that the agent's process has used so far.
func (p *Process) CPU() time.Duration {
	p.t.Helper()
	stat := p.proc("stat")
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:]) // the name before it may hold anything
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * clockTick
}

// RSS is the agent's resident memory in bytes.
func (p *Process) RSS() int64 {
	p.t.Helper()
	return p.counter("status", "VmRSS:") << 10
}

// Written is how many bytes the agent has caused to be written to storage.
func (p *Process) Written() int64 {
	p.t.Helper()
	return p.counter("io", "write_bytes:")
}

// Threads is the number of the agent's threads.
func (p *Process) Threads() int64 {
	p.t.Helper()
	return p.counter("status", "Threads:")
}

func (p *Process) counter(file, name string) int64 {
	p.t.Helper()
	for line := range strings.Lines(p.proc(file)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			value, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return value
		}
	}
	p.t.Fatalf("/proc/%d/%s has no %s", p.PID(), file, name)
	return 0
}

func (p *Process) proc(file string) string {
	p.t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.PID(), file))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}
