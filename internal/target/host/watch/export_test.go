package watch

import "golang.org/x/sys/unix"

// Watches counts the watches of the kernel that are in use.
func (w *Watcher) Watches() int { return len(w.kernel.WatchList()) }

// Exhausted gives the errors of a kernel that has no more to give, by the setting that raises the limit.
func Exhausted() map[string]error {
	return map[string]error{
		"fs.inotify.max_user_watches":   explain("/", unix.ENOSPC),
		"fs.inotify.max_user_instances": explain("/", unix.EMFILE),
	}
}
