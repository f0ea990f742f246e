package agent

import (
	"context"

	"github.com/setpoint-dev/setpoint/internal/explain"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/sops"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// ExplainConfig says what of a local checkout to explain.
type ExplainConfig struct {
	LocalConfig
	// Wanted says which objects; nil for all.
	Wanted func(state.ID) bool
	// Progress hears what is being done when it takes long; nil for nobody.
	Progress func(text string)
}

// Explain says where the objects of a local checkout come from, field by field, with no network at all.
func Explain(ctx context.Context, cfg ExplainConfig) (explain.Result, error) {
	l, top, err := openLocal(ctx, cfg.LocalConfig)
	if err != nil {
		return explain.Result{}, err
	}
	defer l.close()
	question := explain.Config{Renderer: l.renderer, Request: top, Wanted: cfg.Wanted, Progress: cfg.Progress}
	if question.Files, err = l.plaintext(ctx, top); err != nil {
		return explain.Result{}, err
	}
	if l.found.object != nil {
		question.Sync.Object = l.found.object
		if question.Sync.Files, err = l.plaintext(ctx, l.found.in); err != nil {
			return explain.Result{}, err
		}
	}
	for _, file := range l.values {
		question.ValueFiles = append(question.ValueFiles, explain.ValueFile{Name: file.name, Data: file.data})
	}
	return explain.Explain(ctx, question)
}

// plaintext is the artifact of a request as its renderer reads it.
func (l *local) plaintext(ctx context.Context, request render.Request) (source.Artifact, error) {
	return sops.New(l.keys).Decrypt(ctx, request)
}
