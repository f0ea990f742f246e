package kube

import "github.com/setpoint-dev/setpoint/internal/state"

func assessDeployment(v view) state.Health {
	if paused, _ := v.get("spec", "paused").(bool); paused {
		return state.Health{Status: state.Suspended, Reason: "DeploymentPaused", Message: "spec.paused is true"}
	}
	progress := v.condition("Progressing")
	if progress.reason == "ProgressDeadlineExceeded" {
		return degraded(progress.reason, "it made no progress within spec.progressDeadlineSeconds")
	}
	want := v.count(1, "spec", "replicas")
	have := v.count(0, "status", "replicas")
	updated := v.count(0, "status", "updatedReplicas")
	available := v.count(0, "status", "availableReplicas")
	ready := v.count(0, "status", "readyReplicas")
	switch failure := v.condition("ReplicaFailure"); {
	case failure.status == "True":
		// A refusal that may pass (a service account that comes later); if not, the progress deadline says so.
		return progressing(failure.reasonOr("ReplicaFailure"), failure.messageOr("its Pods cannot be created"))
	case updated < want:
		return progressing("RollingOut", counted(updated, want, "replicas are updated"))
	case have > updated:
		return progressing("RollingOut", "replicas of the previous version are still there")
	case available < updated || ready < want:
		return progressing("NotAvailable", counted(min(available, ready), want, "replicas are available"))
	}
	if v.condition("Available").status == "False" {
		return progressing("NotAvailable", "fewer replicas are available than it has to keep")
	}
	if _, observed := v.number("status", "observedGeneration"); !observed {
		return progressing("NotObserved", "its controller has not seen it yet")
	}
	return healthy()
}

// assessStatefulSet: with the update strategy OnDelete people replace Pods by hand, and with a partition only those above it are
// updated, so neither waits for the others to become new.
func assessStatefulSet(v view) state.Health {
	if _, observed := v.number("status", "observedGeneration"); !observed {
		return progressing("NotObserved", "its controller has not seen it yet")
	}
	want := v.count(1, "spec", "replicas")
	have := v.count(0, "status", "replicas")
	ready := v.count(0, "status", "readyReplicas")
	updated := v.count(0, "status", "updatedReplicas")
	switch {
	case ready < want:
		return progressing("NotReady", counted(ready, want, "replicas are ready"))
	case have > want:
		return progressing("ScalingDown", "replicas beyond the wanted number are still there")
	case v.text("spec", "updateStrategy", "type") == "OnDelete":
		return healthy()
	}
	if partition := v.count(0, "spec", "updateStrategy", "rollingUpdate", "partition"); partition > 0 {
		if above := max(0, want-partition); updated < above {
			return progressing("RollingOut", counted(updated, above, "replicas above the partition are updated"))
		}
		return healthy()
	}
	if v.text("status", "currentRevision") != v.text("status", "updateRevision") {
		return progressing("RollingOut", counted(updated, want, "replicas are updated"))
	}
	return healthy()
}

func assessDaemonSet(v view) state.Health {
	if _, observed := v.number("status", "observedGeneration"); !observed {
		return progressing("NotObserved", "its controller has not seen it yet")
	}
	want := v.count(0, "status", "desiredNumberScheduled")
	scheduled := v.count(0, "status", "currentNumberScheduled")
	updated := v.count(0, "status", "updatedNumberScheduled")
	available := v.count(0, "status", "numberAvailable")
	ready := v.count(0, "status", "numberReady")
	byHand := v.text("spec", "updateStrategy", "type") == "OnDelete"
	switch {
	case scheduled < want:
		return progressing("RollingOut", counted(scheduled, want, "nodes have a Pod"))
	case updated < want && !byHand:
		return progressing("RollingOut", counted(updated, want, "Pods are updated"))
	case available < want || ready < want:
		return progressing("NotAvailable", counted(min(available, ready), want, "Pods are available"))
	}
	return healthy()
}

func assessReplicaSet(v view) state.Health {
	if failure := v.condition("ReplicaFailure"); failure.status == "True" {
		return progressing(failure.reasonOr("ReplicaFailure"), failure.messageOr("its Pods cannot be created"))
	}
	want := v.count(1, "spec", "replicas")
	available := v.count(0, "status", "availableReplicas")
	switch {
	case available < want:
		return progressing("NotAvailable", counted(available, want, "replicas are available"))
	case v.count(0, "status", "replicas") > want:
		return progressing("ScalingDown", "replicas beyond the wanted number are still there")
	}
	return healthy()
}

// assessJob: a Job is healthy when it has done its work, so that what depends on it (a migration) waits for its end.
func assessJob(v view) state.Health {
	if c := v.condition("Complete"); c.status == "True" {
		return healthy()
	}
	if c := v.condition("Failed"); c.status == "True" {
		return forGood(degraded(c.reasonOr("JobFailed"), c.messageOr("the Job failed")))
	}
	if suspend, _ := v.get("spec", "suspend").(bool); suspend {
		return state.Health{Status: state.Suspended, Reason: "JobSuspended", Message: "spec.suspend is true"}
	}
	if v.text("status", "startTime") == "" {
		return progressing("JobNotStarted", "it has not started yet")
	}
	want := v.count(v.count(1, "spec", "parallelism"), "spec", "completions")
	return progressing("JobRunning", counted(v.count(0, "status", "succeeded"), want, "completions are done"))
}

func assessCronJob(v view) state.Health {
	if suspend, _ := v.get("spec", "suspend").(bool); suspend {
		return state.Health{Status: state.Suspended, Reason: "CronJobSuspended", Message: "spec.suspend is true"}
	}
	return healthy()
}
