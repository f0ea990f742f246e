package supervise

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// The bounds of what the two sides send, in bytes, and how long a look at the state may wait for a change.
const (
	maxRequest = 8 << 20
	maxAnswer  = 64 << 20
	maxWait    = 30 * time.Second
)

// The paths of the API.
const (
	pathStart    = "/start"
	pathStop     = "/stop"
	pathForget   = "/forget"
	pathSetApp   = "/app"
	pathRemove   = "/remove"
	pathState    = "/state"
	pathOneOff   = "/oneoff"
	pathUpgrade  = "/upgrade"
	pathShutdown = "/shutdown"
)

type stopRequest struct {
	ID    ProcessID     `json:"id"`
	Drain time.Duration `json:"drain"`
}

type forgetRequest struct {
	IDs []ProcessID `json:"ids"`
}

type appRequest struct {
	Name string `json:"name"`
}

type stateRequest struct {
	After uint64 `json:"after"`
}

type upgradeRequest struct {
	Command []string `json:"command"`
}

type oneOffAnswer struct {
	Launch  Launch `json:"launch"`
	Release int    `json:"release"`
}

// problem is a fault on its way.
type problem struct {
	Kind  fault.Kind `json:"kind"`
	Op    string     `json:"op,omitempty"`
	Item  string     `json:"item,omitempty"`
	Cause string     `json:"cause"`
	Hint  string     `json:"hint,omitempty"`
}

func problemOf(err error) problem {
	p := problem{Kind: fault.KindOf(err), Cause: err.Error(), Hint: fault.HintOf(err)}
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Err != nil && f.Error() == err.Error() {
		p.Op, p.Item, p.Cause = f.Op, f.Item, f.Err.Error()
	}
	return p
}

func (p problem) fault() error {
	return fault.New(p.Kind, p.Op, p.Item, p.Cause).WithHint(p.Hint)
}

// receive reads one JSON value, within a bound.
func receive(body io.Reader, limit int64, into any) error {
	content, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return err
	}
	if int64(len(content)) > limit {
		return errors.New("it is too large")
	}
	return json.Unmarshal(content, into)
}

func answer(w http.ResponseWriter, value any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		value = problemOf(err)
	}
	_ = json.NewEncoder(w).Encode(value)
}
