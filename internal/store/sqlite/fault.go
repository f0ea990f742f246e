package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"syscall"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// errDamaged is the cause when the integrity check fails.
var errDamaged = errors.New("the file is damaged")

const (
	hintSpace   = "free space on the disk that holds the database"
	hintLocked  = "end the other program that has the database open"
	hintIO      = "look at the disk that holds the database: reading or writing it failed"
	hintMode    = "give the agent's user write access to the database and its directory, on a file system that is mounted writable"
	hintDamaged = "start the agent again: it moves a damaged database aside and makes a new one"
)

// fault turns an error of the driver into a fault about this database; nil stays nil.
func (d *database) fault(op string, err error) error {
	if err == nil {
		return nil
	}
	kind, hint := classify(err)
	return &fault.Error{Op: op, Item: d.item, Kind: kind, Err: err, Hint: hint}
}

// classify decides what an error of the driver means: https://sqlite.org/rescode.html.
func classify(err error) (fault.Kind, string) {
	failed, known := errors.AsType[*driver.Error](err)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fault.NotFound, ""
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Transient, ""
	case damaged(err):
		return fault.Internal, hintDamaged
	case !known:
		return fault.Internal, ""
	}
	switch failed.Code() & 0xff { // the primary code; extended ones add detail above
	case codes.SQLITE_FULL:
		return fault.Transient, hintSpace
	case codes.SQLITE_BUSY, codes.SQLITE_LOCKED:
		return fault.Transient, hintLocked
	case codes.SQLITE_IOERR:
		return fault.Transient, hintIO
	case codes.SQLITE_READONLY, codes.SQLITE_CANTOPEN, codes.SQLITE_PERM, codes.SQLITE_AUTH:
		return fault.Transient, hintMode
	case codes.SQLITE_NOMEM, codes.SQLITE_INTERRUPT, codes.SQLITE_PROTOCOL:
		return fault.Transient, ""
	}
	return fault.Internal, ""
}

// damaged says whether an error means that the file itself is broken, or never was a database.
func damaged(err error) bool {
	if failed, ok := errors.AsType[*driver.Error](err); ok {
		primary := failed.Code() & 0xff
		return primary == codes.SQLITE_CORRUPT || primary == codes.SQLITE_NOTADB
	}
	return errors.Is(err, errDamaged)
}

// fileFault turns an error of the file system into a fault; nil stays nil.
func fileFault(op, item string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &fault.Error{Op: op, Item: item, Kind: fault.Transient, Err: err, Hint: hintSpace}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return &fault.Error{Op: op, Item: item, Kind: fault.Denied, Err: err, Hint: hintMode}
	}
	return &fault.Error{Op: op, Item: item, Kind: fault.Invalid, Err: err, Hint: "name a file in a directory that can be made"}
}
