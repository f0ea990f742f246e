package kube

import "github.com/setpoint-dev/setpoint/internal/state"

// assessService does not wait for a load balancer's address: the Service works inside of the cluster without it, and clusters
// without a load balancer would never be in sync. It says that it waits, though.
func assessService(v view) state.Health {
	if v.text("spec", "type") != "LoadBalancer" {
		return healthy()
	}
	if v.text("spec", "clusterIP") == "" {
		return progressing("NoClusterIP", "it has no cluster IP yet")
	}
	h := healthy()
	if len(v.list("status", "loadBalancer", "ingress")) == 0 {
		h.Reason, h.Message = "AwaitingAddress", "no load balancer has given it an address yet"
	}
	return h
}

// assessClaim waits until the claim is bound, as everybody else does. A claim whose storage class binds with its first consumer
// is bound when its Pod comes: both belong into the same wave.
func assessClaim(v view) state.Health {
	switch phase := v.text("status", "phase"); phase {
	case "Bound":
		if c := v.condition("FileSystemResizePending"); c.status == "True" {
			return progressing("FileSystemResizePending", c.messageOr("its file system grows when a Pod mounts it"))
		}
		return healthy()
	case "Lost":
		return degraded("Lost", "the volume that it was bound to is gone")
	}
	return progressing("NotBound", "it is not bound to a volume yet")
}

func assessVolume(v view) state.Health {
	if v.text("status", "phase") == "Failed" {
		return degraded("Failed", "its automatic reclamation failed: "+v.text("status", "message"))
	}
	return healthy()
}

func assessNamespace(v view) state.Health {
	if v.text("status", "phase") == "Terminating" {
		return terminating(v)
	}
	return healthy()
}

func assessDefinition(v view) state.Health {
	if c := v.condition("NamesAccepted"); c.status == "False" {
		return degraded(c.reasonOr("NamesNotAccepted"), c.messageOr("its names are taken"))
	}
	c := v.condition("Established")
	switch {
	case c.status == "True":
		return healthy()
	case c.status == "False" && c.reason != "Installing":
		return degraded(c.reasonOr("NotEstablished"), c.messageOr("it is not established"))
	}
	return progressing("Installing", "the API server is installing it")
}

func assessAPIService(v view) state.Health {
	c := v.condition("Available")
	if c.status == "True" {
		return healthy()
	}
	return progressing(c.reasonOr("NotAvailable"), c.messageOr("the API server has not reached it yet"))
}

// assessAutoscaler: without metrics an autoscaler waits, because metrics of new Pods come late.
func assessAutoscaler(v view) state.Health {
	if c := v.condition("AbleToScale"); c.status == "False" {
		return degraded(c.reasonOr("NotAbleToScale"), c.messageOr("it cannot scale its target"))
	}
	if c := v.condition("ScalingActive"); c.status == "False" {
		if c.reason == "ScalingDisabled" {
			return state.Health{Status: state.Suspended, Reason: c.reason, Message: sentence(c.message)}
		}
		return progressing(c.reasonOr("ScalingNotActive"), c.messageOr("it has no metrics yet"))
	}
	return healthy()
}

// assessBudget: a budget that allows no disruption does what it is for.
func assessBudget(v view) state.Health {
	if c := v.condition("DisruptionAllowed"); c.status == "False" && c.reason == "SyncFailed" {
		return degraded(c.reason, c.messageOr("it cannot be computed"))
	}
	return healthy()
}
