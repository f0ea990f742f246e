package supervise

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// giveUp is how long processes are killed again and again before they are left alone: one that the kernel cannot end, because it waits
// for a disk that is gone, must not hold up everything else.
const giveUp = 5 * time.Second

// A brood is what a process may have left over: its session, and everything that carries its mark.
type brood struct {
	supervisor string
	id         string
	pid        int    // of the session's leader, 0 when it is not known
	start      uint64 // of the leader
	group      *group
}

// members gives those that are alive, without the leader.
func (b brood) members() []task {
	all := tasks()
	bySession := b.pid > 0
	for _, t := range all {
		if t.pid == b.pid && t.start != b.start {
			bySession = false // the number belongs to somebody else now, and so does the session
		}
	}
	var found []task
	for _, t := range all {
		if t.pid == b.pid && t.start == b.start {
			continue
		}
		if bySession && t.session == b.pid || b.marked(t) {
			found = append(found, t)
		}
	}
	return found
}

func (b brood) marked(t task) bool {
	supervisor, process := t.marks()
	return supervisor == b.supervisor && process == b.id
}

// clear ends the members: SIGTERM, and SIGKILL to those that are there when grace is over.
func (b brood) clear(ctx context.Context, grace time.Duration) {
	members := b.members()
	if len(members) == 0 && b.group.empty() {
		return
	}
	for _, t := range members {
		t.signal(unix.SIGTERM)
	}
	if grace > 0 && b.wait(ctx, grace, func([]task) {}) {
		return
	}
	b.wait(ctx, giveUp, func(left []task) {
		b.group.kill()
		for _, t := range left {
			t.signal(unix.SIGKILL)
		}
	})
}

// wait looks until no member is left, more and more seldom, and does something to those that are.
func (b brood) wait(ctx context.Context, limit time.Duration, act func(left []task)) bool {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		left := b.members()
		if len(left) == 0 && b.group.empty() {
			return true
		}
		act(left)
		select {
		case <-time.After(pause):
		case <-deadline.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// marked finds the processes of a supervisor by their mark, by the IDs that they were started with.
func marked(supervisor string) map[string][]task {
	found := map[string][]task{}
	for _, t := range tasks() {
		if of, process := t.marks(); of == supervisor {
			found[process] = append(found[process], t)
		}
	}
	return found
}

// leader gives the one that was started itself: of those that lead a session, the oldest.
func leader(tasks []task) (task, bool) {
	var oldest task
	for _, t := range tasks {
		if t.session == t.pid && (oldest.pid == 0 || t.start < oldest.start) {
			oldest = t
		}
	}
	return oldest, oldest.pid > 0
}
