package kube

import (
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/setpoint-dev/setpoint/internal/state"
)

func TestAssess(t *testing.T) {
	const deployment = `{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 2}, spec: {replicas: 3, progressDeadlineSeconds: 600}, status: {`
	const stateful = `{apiVersion: apps/v1, kind: StatefulSet, metadata: {generation: 1}, spec: {replicas: 2`
	const pod = `{apiVersion: v1, kind: Pod, status: {`
	tests := []struct {
		name, object string
		status       state.HealthStatus
		reason       string
		differs      bool // from kstatus, on purpose: see docs/health.md
	}{
		{"ConfigMap", `{apiVersion: v1, kind: ConfigMap}`, state.Healthy, "", false},
		{"terminating", `{apiVersion: v1, kind: ConfigMap, metadata: {deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: [a/b]}}`, state.Progressing, "Terminating", false},
		{"Deployment available", deployment + `observedGeneration: 2, replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3,
			conditions: [{type: Available, status: "True"}, {type: Progressing, status: "True", reason: NewReplicaSetAvailable}]}}`, state.Healthy, "", false},
		{"Deployment not observed", deployment + `observedGeneration: 1, replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3}}`, state.Progressing, "NotObserved", false},
		{"Deployment new", deployment + `}}`, state.Progressing, "RollingOut", false},
		{"Deployment unavailable", deployment + `observedGeneration: 2, replicas: 3, updatedReplicas: 3, readyReplicas: 1, availableReplicas: 1}}`, state.Progressing, "NotAvailable", false},
		{"Deployment stuck", deployment + `observedGeneration: 2, replicas: 3, conditions: [{type: Progressing, status: "False", reason: ProgressDeadlineExceeded}]}}`, state.Degraded, "ProgressDeadlineExceeded", false},
		{"Deployment refused", deployment + `observedGeneration: 2, conditions: [{type: ReplicaFailure, status: "True", reason: FailedCreate, message: quota}]}}`, state.Progressing, "FailedCreate", false},
		{"Deployment paused", `{apiVersion: apps/v1, kind: Deployment, spec: {paused: true}}`, state.Suspended, "DeploymentPaused", true},
		{"StatefulSet ready", stateful + `}, status: {observedGeneration: 1, replicas: 2, readyReplicas: 2, currentReplicas: 2, updatedReplicas: 2, currentRevision: a, updateRevision: a}}`, state.Healthy, "", false},
		{"StatefulSet not ready", stateful + `}, status: {observedGeneration: 1, replicas: 2, readyReplicas: 1}}`, state.Progressing, "NotReady", false},
		{"StatefulSet rolling", stateful + `}, status: {observedGeneration: 1, replicas: 2, readyReplicas: 2, currentReplicas: 1, updatedReplicas: 1, currentRevision: a, updateRevision: b}}`, state.Progressing, "RollingOut", false},
		{"StatefulSet partition", stateful + `, updateStrategy: {rollingUpdate: {partition: 1}}}, status: {observedGeneration: 1, replicas: 2, readyReplicas: 2, updatedReplicas: 1, currentRevision: a, updateRevision: b}}`, state.Healthy, "", false},
		{"StatefulSet OnDelete", stateful + `, updateStrategy: {type: OnDelete}}, status: {observedGeneration: 1, replicas: 2, readyReplicas: 2, currentRevision: a, updateRevision: b}}`, state.Healthy, "", false},
		{"StatefulSet OnDelete, not ready", stateful + `, updateStrategy: {type: OnDelete}}, status: {observedGeneration: 1, replicas: 2}}`, state.Progressing, "NotReady", true},
		{"DaemonSet", `{apiVersion: apps/v1, kind: DaemonSet, metadata: {generation: 1}, status: {observedGeneration: 1, desiredNumberScheduled: 2, currentNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 2, numberReady: 2}}`, state.Healthy, "", false},
		{"DaemonSet unavailable", `{apiVersion: apps/v1, kind: DaemonSet, metadata: {generation: 1}, status: {observedGeneration: 1, desiredNumberScheduled: 2, currentNumberScheduled: 2, updatedNumberScheduled: 2, numberReady: 1}}`, state.Progressing, "NotAvailable", false},
		{"DaemonSet new", `{apiVersion: apps/v1, kind: DaemonSet, metadata: {generation: 1}}`, state.Progressing, "NotObserved", false},
		{"Job done", `{apiVersion: batch/v1, kind: Job, status: {conditions: [{type: Complete, status: "True"}]}}`, state.Healthy, "", false},
		{"Job failed", `{apiVersion: batch/v1, kind: Job, status: {conditions: [{type: Failed, status: "True", reason: BackoffLimitExceeded, message: m}]}}`, state.Degraded, "BackoffLimitExceeded", false},
		{"Job running", `{apiVersion: batch/v1, kind: Job, status: {startTime: "2026-01-01T00:00:00Z", active: 1}}`, state.Progressing, "JobRunning", true},
		{"Job suspended", `{apiVersion: batch/v1, kind: Job, spec: {suspend: true}}`, state.Suspended, "JobSuspended", true},
		{"CronJob suspended", `{apiVersion: batch/v1, kind: CronJob, spec: {suspend: true}}`, state.Suspended, "CronJobSuspended", true},
		{"PVC bound", `{apiVersion: v1, kind: PersistentVolumeClaim, status: {phase: Bound}}`, state.Healthy, "", false},
		{"PVC pending", `{apiVersion: v1, kind: PersistentVolumeClaim, status: {phase: Pending}}`, state.Progressing, "NotBound", false},
		{"PVC lost", `{apiVersion: v1, kind: PersistentVolumeClaim, status: {phase: Lost}}`, state.Degraded, "Lost", true},
		{"CRD established", `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, status: {conditions: [{type: NamesAccepted, status: "True"}, {type: Established, status: "True"}]}}`, state.Healthy, "", false},
		{"CRD installing", `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, status: {conditions: [{type: Established, status: "False", reason: Installing}]}}`, state.Progressing, "Installing", false},
		{"CRD names taken", `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, status: {conditions: [{type: NamesAccepted, status: "False", reason: ListKindConflict}]}}`, state.Degraded, "ListKindConflict", false},
		{"APIService away", `{apiVersion: apiregistration.k8s.io/v1, kind: APIService, status: {conditions: [{type: Available, status: "False", reason: MissingEndpoints}]}}`, state.Progressing, "MissingEndpoints", true},
		{"Namespace", `{apiVersion: v1, kind: Namespace, status: {phase: Active}}`, state.Healthy, "", false},
		{"LoadBalancer without address", `{apiVersion: v1, kind: Service, spec: {type: LoadBalancer, clusterIP: 10.0.0.1}}`, state.Healthy, "AwaitingAddress", false},
		{"HPA without metrics", `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, status: {conditions: [{type: ScalingActive, status: "False", reason: FailedGetResourceMetric}]}}`, state.Progressing, "FailedGetResourceMetric", true},
		{"PDB broken", `{apiVersion: policy/v1, kind: PodDisruptionBudget, status: {conditions: [{type: DisruptionAllowed, status: "False", reason: SyncFailed}]}}`, state.Degraded, "SyncFailed", true},
		{"Pod ready", pod + `phase: Running, conditions: [{type: Ready, status: "True"}]}}`, state.Healthy, "", false},
		{"Pod succeeded", pod + `phase: Succeeded}}`, state.Healthy, "", false},
		{"Pod failed", pod + `phase: Failed, reason: Evicted}}`, state.Degraded, "Evicted", true},
		{"Pod crashing", pod + `phase: Running, containerStatuses: [{name: c, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1}}}]}}`, state.Degraded, "CrashLoopBackOff", false},
		{"Pod between crashes", pod + `phase: Running, containerStatuses: [{name: c, ready: false, restartCount: 2, state: {running: {}}, lastState: {terminated: {exitCode: 1}}}]}}`, state.Degraded, "CrashLoopBackOff", true},
		{"Pod out of memory", pod + `phase: Running, containerStatuses: [{name: c, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled}}}]}}`, state.Degraded, "OOMKilled", false},
		{"Pod without image", pod + `phase: Pending, containerStatuses: [{name: c, state: {waiting: {reason: ErrImagePull, message: not found}}}]}}`, state.Degraded, "ImagePullBackOff", true},
		{"Pod without config", pod + `phase: Pending, containerStatuses: [{name: c, state: {waiting: {reason: CreateContainerConfigError, message: no secret}}}]}}`, state.Degraded, "CreateContainerConfigError", true},
		{"Pod unschedulable", pod + `phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: "0/3 nodes. preemption: 0/3"}]}}`, state.Progressing, "Unschedulable", true},
		{"custom resource", `{apiVersion: example.com/v1, kind: Thing}`, state.Healthy, "", false},
		{"custom resource ready", `{apiVersion: example.com/v1, kind: Thing, status: {conditions: [{type: Ready, status: "True"}]}}`, state.Healthy, "", false},
		{"custom resource not ready", `{apiVersion: example.com/v1, kind: Thing, status: {conditions: [{type: Ready, status: "False", reason: Waiting}]}}`, state.Progressing, "Waiting", false},
		{"custom resource stalled", `{apiVersion: example.com/v1, kind: Thing, status: {conditions: [{type: Stalled, status: "True", reason: Bad}]}}`, state.Degraded, "Bad", false},
		{"custom resource reconciling", `{apiVersion: example.com/v1, kind: Thing, status: {conditions: [{type: Reconciling, status: "True"}]}}`, state.Progressing, "Reconciling", false},
		{"custom resource with an old condition", `{apiVersion: example.com/v1, kind: Thing, metadata: {generation: 3}, status: {conditions: [{type: Ready, status: "True", observedGeneration: 2}]}}`, state.Progressing, "NotObserved", true},
		{"custom resource suspended", `{apiVersion: example.com/v1, kind: Thing, spec: {suspend: true}}`, state.Suspended, "Suspended", true},
	}
	kstatus := map[status.Status]state.HealthStatus{
		status.CurrentStatus: state.Healthy, status.InProgressStatus: state.Progressing,
		status.FailedStatus: state.Degraded, status.TerminatingStatus: state.Progressing,
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			object := decodeYAML(t, test.object)
			h := assess(object)
			if h.Status != test.status || h.Reason != test.reason {
				t.Errorf("%+v, want %s %s", h, test.status, test.reason)
			}
			if strings.Contains(h.Message, "preemption") {
				t.Errorf("a message that flaps: %s", h.Message)
			}
			result, err := status.Compute(&unstructured.Unstructured{Object: object})
			if err != nil {
				t.Fatal(err)
			}
			if differs := kstatus[result.Status] != h.Status; differs != test.differs {
				t.Errorf("kstatus says %s, we say %s", result.Status, h.Status)
			}
		})
	}
	if h := assess(nil); h.Status != state.Missing {
		t.Errorf("nothing is %+v", h)
	}
}

func TestAssessNonsense(t *testing.T) {
	for gk := range healthRules {
		apiVersion := "v1"
		if gk.Group != "" {
			apiVersion = gk.Group + "/v1"
		}
		for _, nonsense := range []any{nil, "x", int64(1), []any{"x"}, map[string]any{"conditions": []any{"x", map[string]any{}}}, map[string]any{"containerStatuses": []any{1}}} {
			assess(map[string]any{"apiVersion": apiVersion, "kind": gk.Kind, "metadata": nonsense, "spec": nonsense, "status": nonsense})
		}
	}
}

func BenchmarkAssess(b *testing.B) {
	object := decodeYAML(b, `{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 2}, spec: {replicas: 3}, status: {observedGeneration: 2, replicas: 3,
		updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3, conditions: [{type: Available, status: "True"}, {type: Progressing, status: "True", reason: NewReplicaSetAvailable}]}}`)
	b.Run("assess", func(b *testing.B) {
		for b.Loop() {
			assess(object)
		}
	})
	b.Run("kstatus", func(b *testing.B) {
		for b.Loop() {
			if _, err := status.Compute(&unstructured.Unstructured{Object: object}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
