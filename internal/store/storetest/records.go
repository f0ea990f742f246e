package storetest

import (
	"bytes"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// buckets are all that there are.
var buckets = []store.Bucket{store.Declared, store.Status, store.Override, store.Deviation, store.Desired}

// testBuckets: a key in one bucket has nothing to do with the same key in another, and a record may be as large as a desired state.
func testBuckets(t *testing.T, s store.Store) {
	large := bytes.Repeat([]byte{0, 1, 0xfe, '\n'}, 1<<20)
	for _, bucket := range buckets {
		if err := s.Put(t.Context(), bucket, "shop", append([]byte(bucket), large...)); err != nil {
			t.Fatal(err)
		}
	}
	for i, bucket := range buckets {
		value, err := s.Get(t.Context(), bucket, "shop")
		if err != nil || !bytes.Equal(value, append([]byte(bucket), large...)) {
			t.Errorf("%s: %d bytes, %v", bucket, len(value), err)
		}
		if err := s.Delete(t.Context(), bucket, "shop"); err != nil {
			t.Fatal(err)
		}
		for at, other := range buckets {
			records, err := s.List(t.Context(), other)
			if err != nil || (len(records) == 1) != (at > i) {
				t.Errorf("after %s was deleted, %s has %d records, %v", bucket, other, len(records), err)
			}
		}
	}
}

func testRecords(t *testing.T, open Open) {
	s := open(t)
	missing := func(bucket store.Bucket, key string) {
		t.Helper()
		if value, err := s.Get(t.Context(), bucket, key); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s of %s: %q, %v; want NotFound", key, bucket, value, err)
		}
	}
	list := func(bucket store.Bucket, expected map[string][]byte) {
		t.Helper()
		records, err := s.List(t.Context(), bucket)
		if err != nil {
			t.Fatal(err)
		}
		want(t, records, expected)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	missing(store.Status, "shop")
	list(store.Status, map[string][]byte{})

	must(s.Put(t.Context(), store.Status, "shop", []byte("one")))
	must(s.Put(t.Context(), store.Status, "shop", []byte("two")))
	must(s.Put(t.Context(), store.Status, "shop", []byte("two")))
	must(s.Put(t.Context(), store.Status, "it's; --", []byte{0, 0xff, '\''}))
	must(s.Put(t.Context(), store.Status, "empty", nil))
	must(s.Put(t.Context(), store.Override, "shop", []byte("other bucket")))

	must(s.Close())
	s = open(t)
	list(store.Status, map[string][]byte{"shop": []byte("two"), "it's; --": {0, 0xff, '\''}, "empty": {}})
	list(store.Override, map[string][]byte{"shop": []byte("other bucket")})
	value, err := s.Get(t.Context(), store.Status, "shop")
	must(err)
	want(t, value, []byte("two"))

	must(s.Delete(t.Context(), store.Status, "shop"))
	must(s.Delete(t.Context(), store.Status, "shop"))
	missing(store.Status, "shop")
	list(store.Override, map[string][]byte{"shop": []byte("other bucket")})
}
