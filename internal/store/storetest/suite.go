// Package storetest is the conformance suite that every store.Store passes.
package storetest

import (
	"testing"

	"github.com/setpoint-dev/setpoint/internal/store"
)

// Open opens the store under test: the same one again after it was closed, when t is the same.
type Open func(t *testing.T) store.Store

// Run tests a kind of store. open is called once per sub-test with an empty store behind it, and by the tests of durability a
// second time after Close.
func Run(t *testing.T, open Open) {
	t.Run("attempts", func(t *testing.T) { testAttempts(t, open) })
	t.Run("records", func(t *testing.T) { testRecords(t, open) })
	t.Run("buckets", func(t *testing.T) { testBuckets(t, open(t)) })
	t.Run("concurrent use", func(t *testing.T) { testConcurrency(t, open(t)) })
	t.Run("ended context", func(t *testing.T) { testEndedContext(t, open(t)) })
}
