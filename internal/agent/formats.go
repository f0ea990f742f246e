package agent

import (
	"context"

	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/cue"
	"github.com/setpoint-dev/setpoint/internal/render/helm"
	"github.com/setpoint-dev/setpoint/internal/render/jsonnet"
	"github.com/setpoint-dev/setpoint/internal/render/kustomize"
	"github.com/setpoint-dev/setpoint/internal/render/plain"
	"github.com/setpoint-dev/setpoint/internal/render/sops"
	"github.com/setpoint-dev/setpoint/internal/target/host"
)

// newRenderer puts the formats together.
func newRenderer(decrypting sops.Options) render.Renderer {
	overlays := kustomize.Renderer{}
	charts := helm.New(helm.Options{
		//nolint:gocritic // overlays becomes another below
		PostRender: func(ctx context.Context, request render.Request, objects []render.Found) ([]render.Found, error) {
			return overlays.PostRender(ctx, request, objects)
		},
	})
	overlays = kustomize.New(kustomize.Options{Charts: charts})
	return render.Formats{
		Kustomize: overlays, Plain: plain.New(), Helm: charts, Jsonnet: jsonnet.New(), CUE: cue.New(),
		Decrypt: sops.New(decrypting).Decrypt, Check: host.Check,
	}
}
