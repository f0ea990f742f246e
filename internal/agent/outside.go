package agent

import (
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source"
)

// request says what a Sync renders, and with what.
func (a *Agent) request(name string, e effective, artifact source.Artifact) render.Request {
	return render.Request{
		Artifact: artifact, Path: e.spec.Path, Name: name, Namespace: e.to.Namespace, How: e.spec.Rendering,
	}
}
