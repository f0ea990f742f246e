package kube

import (
	"fmt"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// stuckReasons are those for which a container waits that waiting alone does not help with, and what they mean.
var stuckReasons = map[string]string{
	"CrashLoopBackOff":           "keeps crashing",
	"ImagePullBackOff":           "cannot pull its image",
	"ErrImagePull":               "cannot pull its image",
	"ErrImageNeverPull":          "needs an image that is not on the node, and is not allowed to pull it",
	"InvalidImageName":           "has an image name that is not valid",
	"RegistryUnavailable":        "cannot pull its image",
	"CreateContainerConfigError": "cannot be created",
	"CreateContainerError":       "cannot be created",
	"RunContainerError":          "cannot be started",
	"ImageInspectError":          "cannot read its image",
}

func assessPod(v view) state.Health {
	switch v.text("status", "phase") {
	case "Succeeded":
		return healthy()
	case "Failed": // no kubelet starts it again
		if h, found := worstContainer(v); found {
			return forGood(h)
		}
		reason := v.text("status", "reason")
		if reason == "" {
			reason = "PodFailed"
		}
		return forGood(degraded(reason, "the Pod failed: "+v.text("status", "message")))
	case "Running":
		if v.condition("Ready").status == "True" {
			return healthy()
		}
	}
	if h, found := worstContainer(v); found {
		return h
	}
	if c := v.condition("PodScheduled"); c.status == "False" && c.reason == "Unschedulable" {
		// An autoscaler may bring a node. What the scheduler tried by preemption changes with every attempt.
		message, _, _ := strings.Cut(c.message, " preemption:")
		return progressing("Unschedulable", "no node can take it: "+message)
	}
	if c := v.condition("Ready"); c.status == "False" && c.message != "" {
		return progressing(c.reasonOr("NotReady"), c.message)
	}
	return progressing("NotReady", "it is not ready yet")
}

// worstContainer gives the health of the first container that is in trouble for good.
func worstContainer(v view) (state.Health, bool) {
	for _, list := range []string{"initContainerStatuses", "containerStatuses"} {
		for _, item := range v.list("status", list) {
			status, _ := item.(map[string]any)
			if h, found := assessContainer(view{status}, v.text("spec", "restartPolicy")); found {
				return h, true
			}
		}
	}
	return state.Health{}, false
}

// assessContainer looks for trouble that lasts. Between two crashes a container runs for a while: one that is not ready and has
// crashed twice is as bad then as while it waits, so that its health does not flap.
func assessContainer(c view, restartPolicy string) (state.Health, bool) {
	name, image := c.text("name"), c.text("image")
	who := fmt.Sprintf("container %q (%s) ", name, image)
	waiting := c.text("state", "waiting", "reason")
	meaning, stuck := stuckReasons[waiting]
	end := lastEnd(c)
	ready, _ := c.get("ready").(bool)
	crashing := waiting == "CrashLoopBackOff" || !ready && !stuck && end.failed() && c.count(0, "restartCount") >= 2
	final := restartPolicy == "Never" && end.failed() && c.get("state", "terminated") != nil
	switch {
	case crashing && end.reason == "OOMKilled":
		return degraded("OOMKilled", who+"keeps running out of memory"+end.detail()), true
	case crashing:
		return degraded("CrashLoopBackOff", who+stuckReasons["CrashLoopBackOff"]+end.detail()), true
	case final:
		return degraded(end.reason, who+"failed"+end.detail()), true
	case stuck:
		return degraded(stable(waiting), who+meaning+detailOf(c.text("state", "waiting", "message"))), true
	}
	return state.Health{}, false
}

// stable gives one name to the two states between which a container without an image goes to and fro.
func stable(reason string) string {
	if reason == "ErrImagePull" {
		return "ImagePullBackOff"
	}
	return reason
}

// detailOf gives a kubelet's message without its beginning, which changes while it waits and tries.
func detailOf(message string) string {
	if _, after, found := strings.Cut(message, "ErrImagePull: "); found {
		message = after
	} else if strings.HasPrefix(message, "Back-off") {
		return ""
	}
	if message == "" {
		return ""
	}
	return ": " + message
}

// ending is how a container ended the last time.
type ending struct {
	code            int64
	reason, message string
	known           bool
}

func lastEnd(c view) ending {
	for _, at := range []string{"state", "lastState"} {
		if terminated, ok := c.get(at, "terminated").(map[string]any); ok {
			t := view{terminated}
			return ending{code: t.count(0, "exitCode"), reason: t.text("reason"), message: t.text("message"), known: true}
		}
	}
	return ending{}
}

func (e ending) failed() bool { return e.known && e.code != 0 }

// detail gives ": exit code 1: the last words", with what is known of it. The last words are the end of what the container left
// as its termination message.
func (e ending) detail() string {
	if !e.known {
		return ""
	}
	text := fmt.Sprintf(": exit code %d", e.code)
	words := strings.TrimSpace(e.message)
	if at := strings.LastIndexByte(words, '\n'); at >= 0 {
		words = words[at+1:]
	}
	if words != "" {
		text += ": " + words
	}
	return text
}
