package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/store"
)

const upsertAttempt = `INSERT INTO attempts (id, sync, started, finished, outcome, body) VALUES (?, ?, ?, ?, ?, ?)
	ON CONFLICT (id) DO UPDATE SET sync = excluded.sync, started = excluded.started, finished = excluded.finished,
		outcome = excluded.outcome, body = excluded.body`

// PutAttempt implements store.Store.
func (d *database) PutAttempt(ctx context.Context, attempt v1alpha1.Attempt, standsFor ...string) error {
	body, err := json.Marshal(attempt)
	if err != nil {
		return d.fault("encode an attempt for", err)
	}
	finished := sql.NullInt64{Int64: nanoseconds(attempt.Finished), Valid: !attempt.Finished.IsZero()}
	row := []any{attempt.ID, attempt.Sync, nanoseconds(attempt.Started), finished, attempt.Outcome, string(body)}
	if len(standsFor) == 0 {
		_, err = d.writer.ExecContext(ctx, upsertAttempt, row...)
		return d.fault("write an attempt to", err)
	}
	err = d.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, upsertAttempt, row...); err != nil {
			return err
		}
		for _, id := range standsFor {
			if _, err := tx.ExecContext(ctx, "DELETE FROM attempts WHERE id = ? AND id <> ?", id, attempt.ID); err != nil {
				return err
			}
		}
		return nil
	})
	return d.fault("write an attempt to", err)
}

// Attempts implements store.Store.
func (d *database) Attempts(ctx context.Context, query store.AttemptQuery) ([]v1alpha1.Attempt, error) {
	text, args := attemptSelect(query)
	rows, err := d.reader.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, d.fault("read attempts from", err)
	}
	defer rows.Close()
	var attempts []v1alpha1.Attempt
	for rows.Next() {
		var body sql.RawBytes
		if err := rows.Scan(&body); err != nil {
			return nil, d.fault("read attempts from", err)
		}
		var attempt v1alpha1.Attempt
		if err := json.Unmarshal(body, &attempt); err != nil {
			return nil, d.fault("decode an attempt of", err)
		}
		attempts = append(attempts, attempt)
	}
	return attempts, d.fault("read attempts from", rows.Err())
}

// attemptSelect writes a query so that the index on (sync, id), the primary key, or the index of running attempts serves it.
func attemptSelect(query store.AttemptQuery) (string, []any) {
	var text strings.Builder
	var args []any
	text.WriteString("SELECT body FROM attempts WHERE 1")
	where := func(condition string, values ...any) {
		text.WriteString(" AND " + condition)
		args = append(args, values...)
	}
	if query.Sync != "" {
		where("sync = ?", query.Sync)
	}
	if query.Before != "" {
		where("id < ?", query.Before)
	}
	if !query.Since.IsZero() {
		where("started >= ?", nanoseconds(query.Since))
	}
	if query.Running {
		where("finished IS NULL")
	}
	limit := query.Limit
	if limit <= 0 {
		limit = store.DefaultLimit
	}
	text.WriteString(" ORDER BY id DESC LIMIT ?")
	return text.String(), append(args, limit)
}

// dropAttempts counts the newest attempts of each Sync in the index alone, and looks at the rows only beyond them.
const dropAttempts = `DELETE FROM attempts WHERE finished IS NOT NULL AND started < ? AND id IN (
	SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY sync ORDER BY id DESC) AS place FROM attempts) WHERE place > ?)`

// DropAttempts implements store.Store.
func (d *database) DropAttempts(ctx context.Context, before time.Time, keep int) (int, error) {
	result, err := d.writer.ExecContext(ctx, dropAttempts, nanoseconds(before), keep)
	if err != nil {
		return 0, d.fault("drop attempts from", err)
	}
	dropped, err := result.RowsAffected()
	return int(dropped), d.fault("drop attempts from", err)
}

// nanoseconds gives the time since 1970, and 0 for the zero time, which UnixNano cannot express.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
