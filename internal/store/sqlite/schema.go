package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// applicationID marks the file as Setpoint's own ("SETP"), so that another program's database is never written to.
const applicationID = 0x53455450

// migrations bring a database from the version of their index to the next one. They are only ever appended to: PRAGMA
// user_version says how many of them a file has seen. The tables have row IDs, because rows of some kilobytes in a key's own tree
// (WITHOUT ROWID) would each overflow into a page of their own.
var migrations = []string{
	`CREATE TABLE attempts (
		id       TEXT PRIMARY KEY,
		sync     TEXT NOT NULL,
		started  INTEGER NOT NULL, -- nanoseconds since 1970
		finished INTEGER,          -- NULL while it runs
		outcome  TEXT NOT NULL,
		body     TEXT NOT NULL     -- v1alpha1.Attempt as JSON
	) STRICT;
	CREATE INDEX attempts_by_sync ON attempts (sync, id);
	CREATE INDEX attempts_running ON attempts (id) WHERE finished IS NULL;
	CREATE TABLE records (
		bucket TEXT NOT NULL,
		key    TEXT NOT NULL,
		value  BLOB NOT NULL,
		PRIMARY KEY (bucket, key)
	) STRICT;`,
}

// migrate brings the schema up to date, all of it in one transaction. A file that is up to date is not written to.
func (d *database) migrate(ctx context.Context) error {
	version, err := d.version(ctx)
	if err != nil || version == len(migrations) {
		return err
	}
	err = d.write(ctx, func(tx *sql.Tx) error {
		for _, statements := range migrations[version:] {
			if _, err := tx.ExecContext(ctx, statements); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, len(migrations)))
		return err
	})
	return d.fault("migrate", err)
}

// version gives the number of migrations that the file has seen; it refuses files that are not for this program to change.
func (d *database) version(ctx context.Context) (int, error) {
	var version, application, tables int
	const query = `SELECT (SELECT user_version FROM pragma_user_version), (SELECT application_id FROM pragma_application_id),
		(SELECT count(*) FROM sqlite_schema)`
	if err := d.writer.QueryRowContext(ctx, query).Scan(&version, &application, &tables); err != nil {
		return 0, d.fault("read the version of", err)
	}
	empty := version == 0 && application == 0 && tables == 0
	switch {
	case !empty && application != applicationID:
		return 0, foreign(d.item)
	case version > len(migrations):
		return 0, fault.New(fault.Invalid, "open", d.item, "it was made by a newer version of Setpoint").
			WithHint("run that version, or name another file in SETPOINT_DATABASE_URL: only history is left behind")
	}
	return version, nil
}

func foreign(item string) error {
	return fault.New(fault.Invalid, "open", item, "it belongs to another program").
		WithHint("name another file in SETPOINT_DATABASE_URL")
}

// refuseForeign looks at a file's header before SQLite opens it, because opening already switches a database to write-ahead
// logging. A header that says nothing (new, damaged, not yet written back) is left to version.
func refuseForeign(file io.ReaderAt, item string) error {
	header := make([]byte, 100) // https://sqlite.org/fileformat2.html#the_database_header
	if n, _ := file.ReadAt(header, 0); n < len(header) || !bytes.HasPrefix(header, []byte("SQLite format 3\x00")) {
		return nil
	}
	schemaCookie, application := binary.BigEndian.Uint32(header[40:]), binary.BigEndian.Uint32(header[68:])
	if schemaCookie != 0 && application != applicationID {
		return foreign(item)
	}
	return nil
}

// write runs fn in a transaction that holds the write lock from its start.
func (d *database) write(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := d.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		_ = tx.Rollback() // the cause is err; a failed roll-back is undone when the file is opened next
		return err
	}
	return tx.Commit()
}
