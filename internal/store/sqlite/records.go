package sqlite

import (
	"context"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// putRecord changes no page when the value is equal, so SQLite writes nothing to disk for it.
const putRecord = `INSERT INTO records (bucket, key, value) VALUES (?, ?, ?)
	ON CONFLICT (bucket, key) DO UPDATE SET value = excluded.value WHERE value <> excluded.value`

// Put implements store.Store.
func (d *database) Put(ctx context.Context, bucket store.Bucket, key string, value []byte) error {
	if value == nil {
		value = []byte{} // nil would be NULL
	}
	_, err := d.writer.ExecContext(ctx, putRecord, string(bucket), key, value)
	return d.fault("write a record to", err)
}

// Get implements store.Store.
func (d *database) Get(ctx context.Context, bucket store.Bucket, key string) ([]byte, error) {
	var value []byte
	const query = "SELECT value FROM records WHERE bucket = ? AND key = ?"
	err := d.reader.QueryRowContext(ctx, query, string(bucket), key).Scan(&value)
	switch kind, _ := classify(err); {
	case err == nil:
		return value, nil
	case kind == fault.NotFound:
		return nil, fault.New(fault.NotFound, "read", string(bucket)+" record "+key, "there is none")
	}
	return nil, d.fault("read a record from", err)
}

// List implements store.Store.
func (d *database) List(ctx context.Context, bucket store.Bucket) (map[string][]byte, error) {
	rows, err := d.reader.QueryContext(ctx, "SELECT key, value FROM records WHERE bucket = ?", string(bucket))
	if err != nil {
		return nil, d.fault("list records of", err)
	}
	defer rows.Close()
	records := map[string][]byte{}
	for rows.Next() {
		var key string
		var value []byte
		if err := rows.Scan(&key, &value); err != nil {
			return nil, d.fault("list records of", err)
		}
		records[key] = value
	}
	return records, d.fault("list records of", rows.Err())
}

// Delete implements store.Store.
func (d *database) Delete(ctx context.Context, bucket store.Bucket, key string) error {
	_, err := d.writer.ExecContext(ctx, "DELETE FROM records WHERE bucket = ? AND key = ?", string(bucket), key)
	return d.fault("delete a record of", err)
}

var _ store.Store = (*database)(nil)
