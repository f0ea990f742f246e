// Package sqlite is the store in one SQLite file: the default, with nothing to install or run. It is pure Go. An idle store
// writes nothing to disk: there is no ticking, and the write-ahead log is only moved into the file by later writes or Close.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/store"
)

const (
	// busyWait is how long a statement waits for a lock of another process (a backup, a curious person) before it is Transient.
	busyWait = 2 * time.Second
	// readers is the number of connections for queries beside the one that writes: history pages must not wait for each other,
	// and each costs a page cache.
	readers = 3
	// cacheKiB bounds the page cache of one connection.
	cacheKiB = 512
)

// pragmas hold for every connection. Write-ahead logging with synchronous NORMAL survives the death of the process at any
// instant; a power cut may take the last writes, and never the file.
var pragmas = []string{
	fmt.Sprintf("busy_timeout(%d)", busyWait.Milliseconds()),
	"journal_mode(WAL)",
	"synchronous(NORMAL)",
	"foreign_keys(ON)",
	"trusted_schema(OFF)",
	"temp_store(MEMORY)",
	fmt.Sprintf("cache_size(-%d)", cacheKiB),
	"journal_size_limit(4194304)",
}

// database is a store.Store. Writes go through one connection, so that they queue here instead of failing on SQLite's lock.
type database struct {
	item   string // "database /path", for errors
	writer *sql.DB
	reader *sql.DB // the writer itself for a database in memory
}

// Open opens or creates the database at a location: a file path, "sqlite:///absolute/path", "sqlite:relative/path" or
// ":memory:" (also "sqlite::memory:"). The file is only readable by its owner. A damaged database is moved aside as
// PATH.corrupt-N, which is logged as an error, and a new one is made: history is lost, never ownership. Errors are faults:
// Invalid for a location that is none, for a database of a newer version, and for one of another program.
func Open(ctx context.Context, location string, log *slog.Logger) (store.Store, error) {
	path, err := parseLocation(location)
	if err != nil {
		return nil, err
	}
	if path == inMemory {
		return connect(ctx, inMemory)
	}
	if err := prepareFile(path); err != nil {
		return nil, err
	}
	opened, err := connect(ctx, path)
	if !damaged(err) {
		return opened, err
	}
	aside, moveErr := moveAside(path)
	if moveErr != nil {
		return nil, errors.Join(err, moveErr)
	}
	log.Error("the database is damaged: it was moved aside and a new one was made; history and suspensions are lost, "+
		"nothing that Setpoint owns is", "database", path, "moved", aside, "error", err)
	if err := prepareFile(path); err != nil {
		return nil, err
	}
	return connect(ctx, path)
}

// prepareFile makes the file and its directory before SQLite does, so that they are private from the first instant on; SQLite
// gives the files beside it the same mode.
func prepareFile(path string) error {
	item := "database " + path
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fileFault("create the directory of", item, err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fileFault("open", item, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fileFault("open", item, err)
	}
	if !info.Mode().IsRegular() {
		return fault.New(fault.Invalid, "open", item, "it is not a regular file")
	}
	if err := refuseForeign(file, item); err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fileFault("protect", item, file.Chmod(0o600))
	}
	return nil
}

// connect opens the connections, checks the file's integrity and brings its schema up to date. What it opened is closed again
// when it fails.
func connect(ctx context.Context, path string) (store.Store, error) {
	opened := &database{item: "database " + path}
	var err error
	if opened.writer, err = pool(path, 1, "_txlock=immediate"); err != nil {
		return nil, opened.fault("open", err)
	}
	opened.reader = opened.writer
	if path != inMemory {
		if opened.reader, err = pool(path, readers, "_pragma=query_only(ON)"); err != nil {
			return nil, errors.Join(opened.fault("open", err), opened.Close())
		}
	}
	if err := errors.Join(opened.check(ctx), opened.migrate(ctx)); err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return opened, nil
}

// pool makes a pool of at most size connections, which are kept open: a database in memory ends with its last connection.
func pool(path string, size int, extra string) (*sql.DB, error) {
	var name strings.Builder
	if path == inMemory {
		name.WriteString("file::memory:")
	} else {
		name.WriteString((&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String())
	}
	name.WriteString("?" + extra)
	for _, pragma := range pragmas {
		name.WriteString("&_pragma=" + pragma)
	}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// check reads the whole file once and fails with errDamaged when its structure is broken.
func (d *database) check(ctx context.Context) error {
	var verdict string
	if err := d.writer.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return d.fault("check", err)
	}
	if verdict != "ok" {
		return d.fault("check", fmt.Errorf("%w: %s", errDamaged, verdict))
	}
	return nil
}

// moveAside renames the file and what belongs to it to the first free PATH.corrupt-N and gives that name.
func moveAside(path string) (string, error) {
	for n := 1; ; n++ {
		aside := fmt.Sprintf("%s.corrupt-%d", path, n)
		if _, err := os.Lstat(aside); err == nil {
			continue
		}
		for _, suffix := range []string{"-wal", "-shm", ""} {
			if err := os.Rename(path+suffix, aside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", fileFault("move aside", "database "+path, err)
			}
		}
		return aside, nil
	}
}

// Close implements store.Store. It waits for writes under way, and moves the write-ahead log into the file.
func (d *database) Close() error {
	var readerErr error
	if d.reader != nil && d.reader != d.writer {
		readerErr = d.reader.Close()
	}
	return d.fault("close", errors.Join(readerErr, d.writer.Close()))
}
