package apps

import (
	"hash/fnv"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// Apps of an agent that runs as root have users of their own among these numbers: above those that distributions give out, and
// below those of systemd's dynamic users.
const (
	firstUID = 52000
	lastUID  = 59999
)

// account is who an app's processes run as; nil for the agent's own user.
type account struct{ uid, gid uint32 }

// checkUser says whether the agent may run an app as the user that is declared.
func (d *Driver) checkUser(spec *v1alpha1.AppSpec) error {
	if spec.User == "" && (spec.Group == "" || d.cfg.UID == 0) {
		return nil
	}
	if d.cfg.UID == 0 {
		_, err := d.account(&blueprint{User: spec.User, Group: spec.Group}, nil)
		return err
	}
	if spec.Group == "" {
		if uid, err := d.cfg.Files.User(spec.User); err != nil || uid == d.cfg.UID {
			return err
		}
	}
	return fault.New(fault.Denied, "run as", "spec.user", "only an agent that runs as root can choose another user or group").
		WithHint("leave spec.user and spec.group out, or run the agent as root")
}

// account gives who a release runs as. own is the number that was chosen for the app.
func (d *Driver) account(b *blueprint, own *uint32) (*account, error) {
	if d.cfg.UID != 0 {
		return nil, nil
	}
	who := account{}
	switch {
	case b.User != "":
		uid, err := d.cfg.Files.User(b.User)
		if err != nil {
			return nil, err
		}
		who.uid, who.gid = uint32(uid), primaryGroup(uid)
	case own != nil:
		who.uid, who.gid = *own, *own
	}
	if b.Group != "" {
		gid, err := d.cfg.Files.Group(b.Group)
		if err != nil {
			return nil, err
		}
		who.gid = uint32(gid)
	}
	return &who, nil
}

// primaryGroup gives a user's group; a number without an account has the group of the same number.
func primaryGroup(uid int) uint32 {
	if known, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		if gid, err := strconv.ParseUint(known.Gid, 10, 32); err == nil {
			return uint32(gid)
		}
	}
	return uint32(uid)
}

// chooseUID gives an app a number that no other app has and no account of the system; nil when the agent cannot choose users. The same
// name begins at the same number, so that an app that comes back is likely to find its files.
func (d *Driver) chooseUID(name string) (*uint32, error) {
	if d.cfg.UID != 0 {
		return nil, nil
	}
	taken := map[uint32]bool{}
	for _, record := range d.records() {
		if m, err := recall(record); err == nil && m.UID != nil && record.ID.Name != name {
			taken[*m.UID] = true
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for other, uid := range d.claims {
		taken[uid] = taken[uid] || other != name
	}
	hash := fnv.New32a()
	hash.Write([]byte(name))
	const span = lastUID - firstUID + 1
	for i := range uint32(span) {
		uid := firstUID + (hash.Sum32()%span+i)%span
		if _, err := user.LookupId(strconv.Itoa(int(uid))); err == nil || taken[uid] {
			continue
		}
		d.claims[name] = uid
		return &uid, nil
	}
	return nil, fault.New(fault.Conflict, "choose a user for", name, "all numbers from 52000 to 59999 are taken").
		WithHint("declare spec.user")
}

// reachable says whether somebody who is not the agent can get to the files of apps: each directory above has to let them through.
func (d *Driver) reachable(who *account) error {
	if who == nil || int(who.uid) == d.cfg.UID {
		return nil
	}
	for dir := filepath.Clean(d.cfg.Dir); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return diskFault("enter", dir, err)
		}
		if info.Mode().Perm()&0o001 == 0 {
			return fault.New(fault.Denied, "enter", dir, "only its owner can, and the files of apps are below it").
				WithHint("let others through with chmod o+x, or choose another data directory")
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}
