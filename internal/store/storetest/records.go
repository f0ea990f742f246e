package storetest

import (
	"testing"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/store"
)

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
