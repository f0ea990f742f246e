package supervise

import (
	"errors"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// spawn starts a launch in a session and group of its own, under its user and limits. Files are its standard input, output and error.
func (r *reaper) spawn(launch Launch, p program, files []*os.File, group *group) (*child, error) {
	if err := checkUser(launch); err != nil {
		return nil, err
	}
	attr := &os.ProcAttr{Dir: launch.Dir, Env: p.env, Files: files, Sys: attributes(launch)}
	if group != nil {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(group.file.Fd())
	}
	c, err := r.startRestricted(p, attr, launch.UID != nil)
	if err != nil {
		return nil, explain(err, launch, p)
	}
	if err := limit(c.pid, launch, group != nil); err != nil {
		r.signalGroup(c, syscall.SIGKILL)
		<-c.done
		return nil, never("its limits cannot be set: %s", reason(err))
	}
	return c, nil
}

func attributes(launch Launch) *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setsid: true}
	if credential := credentialOf(launch); credential != nil {
		attributes.Credential = credential
	}
	return attributes
}

// credentialOf gives the user to become; nil when it is the one that we are.
func credentialOf(launch Launch) *syscall.Credential {
	if launch.UID == nil && launch.GID == nil || os.Geteuid() != 0 {
		return nil
	}
	credential := &syscall.Credential{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}
	if launch.UID != nil {
		credential.Uid = *launch.UID
	}
	if launch.GID != nil {
		credential.Gid = *launch.GID
	}
	return credential
}

// startRestricted starts a program. For one with a user of its own it sees to it that no set-uid program can give it more: that is an
// attribute of the thread which forks, and cannot be taken back, so that the thread is thrown away afterwards.
func (r *reaper) startRestricted(p program, attr *os.ProcAttr, restricted bool) (*child, error) {
	if !restricted {
		return r.start(p, attr)
	}
	var c *child
	var err error
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		if err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err == nil {
			c, err = r.start(p, attr)
		}
	}()
	<-finished
	return c, err
}

// limit sets what is limited by process rather than by control group. A process that has ended meanwhile needs no limits.
func limit(pid int, launch Launch, grouped bool) error {
	set := func(resource int, value int64) error {
		if value == 0 {
			return nil
		}
		err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: uint64(value), Max: uint64(value)}, nil)
		switch {
		case errors.Is(err, unix.ESRCH):
			return nil
		case errors.Is(err, unix.EPERM):
			return errors.New("the agent may not limit processes of other users: it lacks CAP_SYS_RESOURCE")
		}
		return err
	}
	err := set(unix.RLIMIT_NOFILE, launch.Files)
	if err == nil && !grouped {
		err = set(unix.RLIMIT_DATA, launch.Memory)
	}
	return err
}
