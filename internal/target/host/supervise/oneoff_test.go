package supervise

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

func TestRunOneOff(t *testing.T) {
	t.Setenv("LEAK", "the caller's own")
	t.Setenv("TERM", "dumb")
	launch := Launch{Dir: t.TempDir(), Env: []string{"GREETING=hello", "PATH=/usr/bin:/bin"}}
	self := selfPath(t)
	for _, test := range []struct {
		words []string
		code  int
	}{
		{[]string{self, "as:leaver", "0", "$GREETING"}, 0},
		{[]string{self, "as:leaver", "4"}, 4},
		{[]string{self, "as:leaver", "KILL"}, 137},
	} {
		var out, bad bytes.Buffer
		code, err := RunOneOff(t.Context(), launch, test.words, Stdio{In: strings.NewReader(""), Out: &out, Err: &bad})
		if err != nil || code != test.code || bad.String() != "an end without a newline" {
			t.Errorf("%v: code %d, %v, %q", test.words[1:], code, err, bad.String())
		}
		if test.code == 0 && out.String() != "$GREETING\n" {
			t.Errorf("the words are the person's: %q", out.String())
		}
	}
	var out bytes.Buffer
	if _, err := RunOneOff(t.Context(), launch, []string{"env"}, Stdio{Out: &out}); err != nil || out.String() != "GREETING=hello\nPATH=/usr/bin:/bin\nTERM=dumb\n" {
		t.Errorf("environment %q, %v", out.String(), err)
	}
}

func TestOneOffIsRefused(t *testing.T) {
	for _, words := range [][]string{nil, {"./missing"}, {"missing"}} {
		_, err := RunOneOff(t.Context(), Launch{Dir: t.TempDir()}, words, Stdio{})
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v: %v", words, err)
		}
	}
	other := uint32(54321)
	launch := Launch{Dir: "/", UID: &other}
	_, err := RunOneOff(t.Context(), launch, []string{selfPath(t), "as:leaver", "0"}, Stdio{})
	if (err != nil) != (os.Geteuid() != 0) && fault.KindOf(err) != fault.Invalid { // the program's directory may be closed to it
		t.Errorf("%v", err)
	}
}

func TestOneOffEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	go func() {
		_, _ = reader.Read(make([]byte, 1)) // it runs
		cancel()
	}()
	_, err = RunOneOff(ctx, Launch{Dir: t.TempDir()}, []string{selfPath(t), "as:sleeper"}, Stdio{Out: writer})
	_ = writer.Close()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
