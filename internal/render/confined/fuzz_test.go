package confined

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// FuzzTalk says anything to a parent: it neither fails badly nor takes more than its limits.
func FuzzTalk(f *testing.F) {
	for _, messages := range [][]any{
		{toRead, "a", isEnd, ""},
		{toList, ".", toStat, "a", isObject, `{"json":"e30="}`, isEnd, ""},
		{isObject, `{"file":"a","line":1,"json":"eyJhcGlWZXJzaW9uIjoidjEiLCJraW5kIjoiWCIsIm1ldGFkYXRhIjp7Im5hbWUiOiJ4In19"}`, isEnd, ""},
		{isFailure, `[{"op":"read","item":"a:1","cause":"no","hint":"do"}]`},
		{isFailure, `[]`}, {isContent, ""}, {toRead, "../x", toRead, "/x", toRead, ""},
	} {
		var said bytes.Buffer
		for i := 0; i < len(messages); i += 2 {
			_ = send(&said, messages[i].(byte), []byte(messages[i+1].(string)))
		}
		f.Add(said.Bytes())
	}
	f.Add([]byte{isObject, 0xff, 0xff, 0xff, 0xff})
	files := render.Record(memory.New(state.Revision{ID: "1"}, map[string]string{"a": strings.Repeat("x", 100)}))
	f.Fuzz(func(t *testing.T, said []byte) {
		h := &host{job: Job{At: "at", Files: files}, limits: Limits{Reads: 10, ReadBytes: 500, Objects: 5, ObjectBytes: 1000}}
		err := h.talk(bytes.NewReader(said), io.Discard)
		if len(h.found) > 5 || h.reads > 11 {
			t.Errorf("%d objects, %d reads", len(h.found), h.reads)
		}
		for _, one := range h.found {
			if one.Object.Check() != nil {
				t.Errorf("%v", one.Object)
			}
		}
		_ = fault.KindOf(err)
	})
}

// FuzzGather finds in any JSON objects that are objects, in the order of their paths.
func FuzzGather(f *testing.F) {
	const one = `{"apiVersion":"v1","kind":"A","metadata":{"name":"a"}}`
	for _, text := range []string{
		one, "[" + one + ",null,[" + one + "]]", `{"b":` + one + `,"a":[` + one + `]}`, `{"apiVersion":"v1","kind":"List","items":[` + one + `]}`,
		`{"kind":"x"}`, `{"apiVersion":"v1"}`, `1`, `"x"`, `{`, strings.Repeat("[", 600) + strings.Repeat("]", 600),
		`{"apiVersion":"v1","kind":"Job","metadata":{"generateName":"a-","annotations":{"setpoint.dev/hook":"before"}}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		found, err := Gather("at", text, nil)
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Fatal(err)
		}
		for _, one := range found {
			var content struct{ APIVersion, Kind string }
			if json.Unmarshal(one.JSON, &content) != nil || content.APIVersion == "" && content.Kind == "" {
				t.Errorf("%s", one.JSON)
			}
		}
	})
}

// FuzzReceive reads any message back as it was sent.
func FuzzReceive(f *testing.F) {
	f.Add(byte('R'), []byte("x"))
	f.Fuzz(func(t *testing.T, kind byte, payload []byte) {
		var pipe bytes.Buffer
		if err := send(&pipe, kind, payload); err != nil {
			t.Fatal(err)
		}
		got, back, err := receive(&pipe)
		if err != nil || got != kind || !bytes.Equal(back, payload) {
			t.Errorf("%v %q %v", got, back, err)
		}
	})
}
