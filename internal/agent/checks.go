package agent

import (
	"context"
	"log/slog"
	"os"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/kube"
)

// CheckSource pulls a source once into a directory that is removed again, and names the revision for people.
func CheckSource(ctx context.Context, spec v1alpha1.SourceSpec) (string, error) {
	if !hasUpstream(spec) {
		return "", fault.New(fault.Invalid, "check", "the source", "none is given")
	}
	dir, err := os.MkdirTemp("", "setpoint-check-")
	if err != nil {
		return "", fault.Wrap(fault.Denied, "make", "a directory for the check", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	upstream, err := newUpstreams(Config{Source: spec, Log: slog.New(slog.DiscardHandler)}, dir).of(demand{spec: spec})
	if err != nil {
		return "", err
	}
	artifact, _, err := upstream.Pull(ctx, nil)
	if err != nil {
		return "", err
	}
	return upstream.String() + " is at " + artifact.Revision().Short(), nil
}

// CheckCluster names the cluster that a kubeconfig leads to, its version, and the identity that the agent has there.
func CheckCluster(ctx context.Context, kubeconfig, contextName string) (string, error) {
	t, err := kube.Connect(ctx, kube.Config{Kubeconfig: kubeconfig, Context: contextName})
	if err != nil {
		return "", err
	}
	defer t.Close()
	return t.Describe(ctx)
}
