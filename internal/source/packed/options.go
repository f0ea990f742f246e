package packed

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
)

// Options are what the upstreams of every driver whose artifacts are packed need to know.
type Options struct {
	// Store keeps the artifacts. It may be shared with other upstreams.
	Store *Store
	// Limits of an artifact; what it is packed in is no longer than Limits.Bytes either. Default source.DefaultLimits.
	Limits source.Limits
	// Getenv looks up environment variables. Default os.Getenv.
	Getenv func(string) string
	// Log hears of what is put right by itself. Default: nobody.
	Log *slog.Logger
	// Timeout of one pull, beside its context's deadline. Default 1m.
	Timeout time.Duration
}

// WithDefaults gives them with everything but the store filled in.
func (o Options) WithDefaults() Options {
	if o.Limits == (source.Limits{}) {
		o.Limits = source.DefaultLimits
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	return o
}

// Whole gives what is known of an upstream, or nil when it is damaged on disk, and says so: it is pulled again.
func (o Options) Whole(known source.Artifact, upstream string) source.Artifact {
	if !Damaged(known) {
		return known
	}
	o.Log.Warn("an artifact on disk is damaged, and is pulled again", "source", upstream)
	return nil
}

// PullFault says which upstream an error is about, unless that is said. The hint is for what is wrong with its content and has none yet.
func PullFault(upstream string, err error, hint string) error {
	if known, ok := errors.AsType[*fault.Error](err); ok && known.Item == upstream {
		return err
	}
	told := &fault.Error{Op: "pull", Item: upstream, Kind: fault.KindOf(err), Err: err, Hint: fault.HintOf(err)}
	if told.Hint == "" && told.Kind == fault.Invalid {
		told.Hint = hint
	}
	return told
}

// Key names an upstream by what people call it and everything that decides what comes from it, and who may have it.
func Key(name string, declared ...any) string {
	content, err := json.Marshal(declared)
	if err != nil {
		panic(err) // cannot be: they are declarations, which came as JSON
	}
	sum := sha256.Sum256(content)
	return name + "#" + hex.EncodeToString(sum[:16])
}
