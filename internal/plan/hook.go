package plan

import (
	"iter"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Hook is what an object's annotations say about when it runs: Setpoint's own, Argo CD's and Helm's.
type Hook struct {
	Phase  HookPhase
	Wave   int
	Always bool // on every sync and every repair, not once per revision
	// When the object is deleted: before it is created anew, when it succeeded, when it failed.
	DeleteBefore, DeleteSucceeded, DeleteFailed bool
	// Timeout of one run; zero for the Sync's.
	Timeout time.Duration
}

// HookPhase is the part of a sync that a hook belongs to.
type HookPhase string

// The phases.
const (
	HookPre  HookPhase = "pre"  // before anything else is changed, but for definitions
	HookMain HookPhase = "main" // among the others, by wave
	HookPost HookPhase = "post" // when all is applied and healthy, and what is no longer declared is gone
	HookFail HookPhase = "fail" // when the revision has failed
	HookSkip HookPhase = "skip" // never
)

// HookOf reads the annotations of an object; false when it is no hook. What is misspelt is not there: whoever reads the declaration
// refuses it before.
//
// Each question is answered by the first that says anything of it, Setpoint, then Argo CD, then Helm: so a hook of a chart can be given
// a deadline without being written anew.
func HookOf(object *state.Object) (Hook, bool) {
	phase := phaseIn(object.Annotation)
	if phase == "" {
		return Hook{}, false
	}
	hook := Hook{
		Phase: phase, Wave: WaveOf(object.Annotation),
		Always: object.Annotation(v1alpha1.AnnotationHookRuns) == "always",
	}
	hook.keep(object.Annotation)
	if timeout, err := time.ParseDuration(object.Annotation(v1alpha1.AnnotationHookTimeout)); err == nil && timeout > 0 {
		hook.Timeout = timeout
	}
	return hook, true
}

// hookWords are the phases that words mean, by annotation, in the order in which they are asked. A word that is not there, such as Helm's
// crd-install, makes no hook.
var hookWords = []struct {
	annotation string
	phases     map[string]HookPhase
}{
	{v1alpha1.AnnotationHook, map[string]HookPhase{"pre": HookPre, "main": HookMain, "post": HookPost, "fail": HookFail}},
	{v1alpha1.AnnotationArgoHook, map[string]HookPhase{
		"PreSync": HookPre, "Sync": HookMain, "PostSync": HookPost, "SyncFail": HookFail,
		"Skip": HookSkip, "PreDelete": HookSkip, "PostDelete": HookSkip,
	}},
	{v1alpha1.AnnotationHelmHook, map[string]HookPhase{
		"pre-install": HookPre, "pre-upgrade": HookPre, "post-install": HookPost, "post-upgrade": HookPost,
		// Going back runs no hooks here, and these would be wrong at any other time.
		"pre-rollback": HookSkip, "post-rollback": HookSkip,
		"pre-delete": HookSkip, "post-delete": HookSkip, "test": HookSkip, "test-success": HookSkip, "test-failure": HookSkip,
	}},
}

// phaseIn gives the phase that annotations name; "" when they make no hook. Of several words the first that runs at all counts.
func phaseIn(annotation func(string) string) HookPhase {
	for _, known := range hookWords {
		var phase HookPhase
		said := false
		for word := range split(known.annotation, annotation) {
			said = true
			if meant := known.phases[word]; phase == "" || phase == HookSkip && meant != "" {
				phase = meant
			}
		}
		if said {
			return phase
		}
	}
	return ""
}

// keep reads when the object is deleted: before the next run, unless another time is named.
func (h *Hook) keep(annotation func(string) string) {
	for _, name := range []string{
		v1alpha1.AnnotationHookDelete, v1alpha1.AnnotationArgoHookDelete, v1alpha1.AnnotationHelmHookDelete,
	} {
		said := false
		for word := range split(name, annotation) {
			said = true
			switch word {
			case "before", "BeforeHookCreation", "before-hook-creation":
				h.DeleteBefore = true
			case "succeeded", "HookSucceeded", "hook-succeeded":
				h.DeleteSucceeded = true
			case "failed", "HookFailed", "hook-failed":
				h.DeleteFailed = true
			}
		}
		if said {
			return
		}
	}
	h.DeleteBefore = true
}

// split gives the words of an annotation. Helm's are read in any case, as Helm does it.
func split(name string, annotation func(string) string) iter.Seq[string] {
	value := annotation(name)
	if strings.HasPrefix(name, "helm.sh/") {
		value = strings.ToLower(value)
	}
	return func(yield func(string) bool) {
		for word := range strings.SplitSeq(value, ",") {
			if word = strings.TrimSpace(word); word != "" && !yield(word) {
				return
			}
		}
	}
}
