package supervise

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// explain turns what fork and exec have said into a refusal that tells people what is wrong. The kernel says "no such file" of a script
// whose interpreter is missing, and "permission denied" of any directory on the way.
func explain(err error, launch Launch, p program) error {
	name := launch.Command[0]
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if interpreter := interpreterOf(p.path); interpreter != "" {
			return never("%s: its interpreter %s is missing", name, interpreter)
		}
		return never("%s: the program's loader is missing: it was built for another system", name)
	case errors.Is(err, syscall.ENOEXEC):
		return never("%s: exec format error: it is neither a program for this machine nor a script that begins with #!", name)
	case errors.Is(err, fs.ErrPermission) && launch.UID != nil:
		return never("%s: permission denied: uid %d may not run it, or not enter its working directory", name, *launch.UID)
	case errors.Is(err, fs.ErrPermission):
		return never("%s: permission denied", name)
	case errors.Is(err, syscall.E2BIG):
		return never("%s: its arguments and environment are too large", name)
	case errors.Is(err, syscall.ETXTBSY):
		return notNow("%s: the file is being written", name)
	}
	return notNow("%s: %s", name, reason(err))
}

// interpreterOf gives the program after a script's "#!".
func interpreterOf(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	line, _ := bufio.NewReaderSize(file, 256).ReadSlice('\n')
	first, ok := strings.CutPrefix(string(line), "#!")
	if fields := strings.Fields(first); ok && len(fields) > 0 {
		return fields[0]
	}
	return ""
}

// checkUser refuses a user that the supervisor cannot become.
func checkUser(launch Launch) error {
	if os.Geteuid() == 0 {
		return nil
	}
	if launch.UID != nil && int(*launch.UID) != os.Geteuid() {
		return never("it cannot run as uid %d: only root can start processes of another user", *launch.UID)
	}
	if launch.GID != nil && int(*launch.GID) != os.Getegid() {
		return never("it cannot run as gid %d: only root can start processes of another group", *launch.GID)
	}
	return nil
}
