package kube

import (
	"context"

	"github.com/setpoint-dev/setpoint/internal/state"
	"k8s.io/client-go/dynamic"
)

// podReason asks for the pods of a workload that is not healthy, and gives the health of the worst of them; false when it has no
// pods, is healthy, or is no workload, or the pods cannot be read. One request, at most 50 pods.
func podReason(ctx context.Context, client dynamic.Interface, live map[string]any) (state.Health, bool) {
	return state.Health{}, false
}
