package agent

import (
	"context"
	"errors"
	"os"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source/directory"
	"github.com/setpoint-dev/setpoint/internal/source/git"
	"github.com/setpoint-dev/setpoint/internal/target/kube"
)

// Render turns a folder of a local checkout into objects, with no network at all.
func Render(ctx context.Context, path string) (render.Result, error) {
	artifact, inside, err := directory.Enclosing(path)
	if err != nil {
		return render.Result{}, err
	}
	defer func() { _ = artifact.Close() }()
	result, err := newRenderer().Render(ctx, render.Request{Artifact: artifact, Path: inside})
	return result, errors.Join(err, result.Err())
}

// CheckSource pulls a source once into a directory that is removed again, and names the revision for people.
func CheckSource(ctx context.Context, spec v1alpha1.SourceSpec) (string, error) {
	if spec.Git == nil {
		return "", fault.New(fault.Invalid, "check", "the source", "none is given")
	}
	dir, err := os.MkdirTemp("", "setpoint-check-")
	if err != nil {
		return "", fault.Wrap(fault.Denied, "make", "a directory for the check", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	upstream, err := git.New(*spec.Git, git.Options{Dir: dir})
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
