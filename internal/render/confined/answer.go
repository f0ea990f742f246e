package confined

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// host answers one process, and collects what it gives.
type host struct {
	job    Job
	limits Limits

	reads     int
	readBytes int64
	found     []render.Found
	bytes     int64
	// failed is why the artifact could not be read, for another reason than what is in it.
	failed error
}

// talk answers until the process has said all. An error is the process's own when it is of kind Invalid; a process that breaks off gives
// io.EOF or an error of the pipe.
func (h *host) talk(from io.Reader, to io.Writer) error {
	for {
		kind, payload, err := receive(from)
		if err != nil {
			return err
		}
		switch kind {
		case toRead, toList, toStat:
			if err := h.answer(kind, string(payload), to); err != nil {
				return err
			}
		case isObject:
			if err := h.take(payload); err != nil {
				return err
			}
		case isFailure:
			return h.failure(payload)
		case isEnd:
			return h.failed
		default:
			return errFrame
		}
	}
}

// answer answers one question.
func (h *host) answer(kind byte, name string, to io.Writer) error {
	if len(name) > maxPath || !fs.ValidPath(name) {
		return send(to, isRefused, []byte("a path goes down from the root of the source"))
	}
	if h.reads++; h.reads > h.limits.Reads {
		return h.over(fmt.Sprintf("reads more than %d files", h.limits.Reads))
	}
	switch kind {
	case toRead:
		data, err := h.job.Files.ReadFile(name)
		if h.readBytes += int64(len(data)); h.readBytes > h.limits.ReadBytes {
			return h.over(fmt.Sprintf("reads more than %d MiB", h.limits.ReadBytes>>20))
		}
		if err != nil {
			return h.refuse(name, err, to)
		}
		return send(to, isContent, data)
	case toList:
		listed, err := h.job.Files.ReadDir(name)
		switch {
		case err != nil:
			return h.refuse(name, err, to)
		case len(listed) > maxEntries:
			return h.over(fmt.Sprintf("lists a directory of more than %d entries", maxEntries))
		}
		entries := make([]entry, len(listed))
		for i, one := range listed {
			entries[i] = entry{Name: one.Name(), Dir: one.IsDir()}
		}
		return sendJSON(to, isEntries, entries)
	default:
		info, err := h.job.Files.Stat(name)
		if err != nil {
			return h.refuse(name, err, to)
		}
		return sendJSON(to, isEntries, []entry{{Dir: info.IsDir(), Size: info.Size()}})
	}
}

// refuse tells why something cannot be read, and remembers when it is the store's fault and not the program's.
func (h *host) refuse(name string, err error, to io.Writer) error {
	if errors.Is(err, fs.ErrNotExist) {
		return send(to, isMissing, nil)
	}
	if info, staterr := h.job.Files.Stat(name); staterr == nil && info.IsDir() {
		return send(to, isRefused, []byte("it is a directory"))
	}
	err = render.Fault(name, err)
	if fault.KindOf(err) == fault.Transient && h.failed == nil {
		h.failed = err
	}
	return send(to, isRefused, []byte(shortened(err.Error(), maxText)))
}

// over says that a bound is passed; the process is ended then.
func (h *host) over(cause string) error {
	return fault.New(fault.Invalid, "render", h.job.At, cause).WithHint("split it over several Syncs")
}

// take takes one object.
func (h *host) take(payload []byte) error {
	var one Object
	if err := json.Unmarshal(payload, &one); err != nil {
		return errFrame
	}
	switch h.bytes += int64(len(one.JSON)); {
	case len(h.found) == h.limits.Objects:
		return h.over(fmt.Sprintf("gives more than %d objects", h.limits.Objects))
	case h.bytes > h.limits.ObjectBytes:
		return h.over(fmt.Sprintf("the objects are longer than %d MiB together", h.limits.ObjectBytes>>20))
	}
	object, err := state.DecodeObject(one.JSON, state.Origin{File: one.File, Line: one.Line})
	if err != nil {
		return errFrame
	}
	if err := object.Check(); err != nil {
		return fault.Wrap(fault.Invalid, "render", object.Origin().String(), err)
	}
	h.found = append(h.found, render.Found{Object: object})
	return nil
}

// failure puts the errors of a process together again.
func (h *host) failure(payload []byte) error {
	if h.failed != nil {
		return h.failed
	}
	var told []problem
	if json.Unmarshal(payload, &told) != nil || len(told) == 0 {
		return errFrame
	}
	errs := make([]error, len(told))
	for i, one := range told {
		if one.Item == "" {
			one.Item = h.job.At
		}
		errs[i] = fault.New(fault.Invalid, one.Op, one.Item, one.Cause).WithHint(one.Hint)
	}
	return errors.Join(errs...)
}
