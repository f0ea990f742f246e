package gitserver

import "testing"

// Start runs a server for the length of a test, in a folder of its own. What goes wrong in it or its repositories fails the test.
func Start(tb testing.TB, opts Options) *Server {
	tb.Helper()
	s, err := New(tb.TempDir(), opts)
	if err != nil {
		tb.Fatal(err)
	}
	s.fail = func(err error) {
		tb.Helper()
		tb.Fatal(err)
	}
	tb.Cleanup(s.Stop)
	return s
}
