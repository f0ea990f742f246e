package v1alpha1

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// The annotations that make an object a hook: it runs at its place in a sync, instead of being kept equal to its declaration.
const (
	// AnnotationHook: "pre", "main", "post" or "fail", the phase that the hook runs in.
	AnnotationHook = Group + "/hook"
	// AnnotationHookRuns: "revision" (default) runs it once for each revision, "always" on every sync and repair.
	AnnotationHookRuns = Group + "/hook-runs"
	// AnnotationHookDelete: "before" (default), "succeeded", "failed", several of them with commas between, or "never".
	AnnotationHookDelete = Group + "/hook-delete"
	// AnnotationHookTimeout bounds one run: "10m". Default: the Sync's timeout.
	AnnotationHookTimeout = Group + "/hook-timeout"
	// AnnotationHookRun is put on a hook's object by the agent: which run it belongs to. Nobody declares it.
	AnnotationHookRun = Group + "/hook-run"
)

// The annotations of others that are understood, so that what was written for them runs in the same order here.
const (
	AnnotationArgoHook       = "argocd.argoproj.io/hook"
	AnnotationArgoHookDelete = "argocd.argoproj.io/hook-delete-policy"
	AnnotationArgoWave       = "argocd.argoproj.io/sync-wave"
	AnnotationHelmHook       = "helm.sh/hook"
	AnnotationHelmHookDelete = "helm.sh/hook-delete-policy"
	AnnotationHelmHookWeight = "helm.sh/hook-weight"
)

// vocabulary is the words that an annotation may have.
type vocabulary struct {
	name  string
	words []string
	// several words may stand there, with commas between; alone is the one that must stand alone all the same.
	several bool
	alone   string
	// anyCase: whoever made the annotation reads it so.
	anyCase bool
}

var vocabularies = []vocabulary{
	{name: AnnotationDrift, words: []string{DriftCorrect, DriftReport, DriftIgnore}},
	{name: AnnotationForce, words: []string{"true", "false"}},
	{name: AnnotationPrune, words: []string{"disabled", "enabled"}},
	{name: AnnotationSubstitute, words: []string{"disabled", "enabled"}},
	{name: AnnotationHook, words: []string{"pre", "main", "post", "fail"}},
	{name: AnnotationHookRuns, words: []string{"revision", "always"}},
	{name: AnnotationHookDelete, words: []string{"before", "succeeded", "failed", "never"}, several: true, alone: "never"},
	{name: AnnotationArgoHook, several: true,
		words: []string{"PreSync", "Sync", "PostSync", "SyncFail", "Skip", "PreDelete", "PostDelete"}},
	{name: AnnotationArgoHookDelete, words: []string{"HookSucceeded", "HookFailed", "BeforeHookCreation"}, several: true},
	{name: AnnotationHelmHook, several: true, anyCase: true, words: []string{
		"pre-install", "post-install", "pre-upgrade", "post-upgrade", "pre-rollback", "post-rollback", "pre-delete", "post-delete",
		"crd-install", "test", "test-success", "test-failure",
	}},
	{name: AnnotationHelmHookDelete, several: true, anyCase: true,
		words: []string{"before-hook-creation", "hook-succeeded", "hook-failed"}},
}

// knows says whether a value that is not empty has a meaning.
func (v vocabulary) knows(value string) bool {
	if v.anyCase {
		value = strings.ToLower(value)
	}
	if !v.several {
		return slices.Contains(v.words, value)
	}
	given := 0
	for word := range strings.SplitSeq(value, ",") {
		word = strings.TrimSpace(word)
		if !slices.Contains(v.words, word) || (word == v.alone && word != value) {
			return false
		}
		given++
	}
	return given > 0
}

func (v vocabulary) hint() string {
	hint := "write one of " + strings.Join(v.words, ", ")
	if v.several {
		hint += ", or several with commas between"
	}
	if v.alone != "" {
		hint += " (" + v.alone + " stands alone)"
	}
	return hint
}

// checkAnnotations says what is wrong with the annotations by which an object of any kind asks something of Setpoint, be they Setpoint's
// own or those of others that it understands. A misspelt word must not pass for nothing said: it may be all that keeps an object from
// being deleted, or a migration from running too late.
func checkAnnotations(object *state.Object, lines Lines) error {
	c := annotationCheck{object: object, lines: lines}
	for _, known := range vocabularies {
		if value := object.Annotation(known.name); value != "" && !known.knows(value) {
			c.refuse(known.name, known.hint())
		}
	}
	c.waves()
	c.hook()
	c.names()
	return errors.Join(c.errs...)
}

// own are Setpoint's annotations that a declaration may have. A test compares them with the documentation.
var own = []string{
	AnnotationWave, AnnotationPrune, AnnotationDrift, AnnotationForce,
	AnnotationHook, AnnotationHookRuns, AnnotationHookDelete, AnnotationHookTimeout,
	AnnotationSubstitute,
}

// written are those that the agent itself puts on objects: the last on the object that stands for a Sync in a cluster.
var written = []string{AnnotationHookRun, Group + "/owner"}

// annotationCheck gathers what is wrong with the annotations of one object.
type annotationCheck struct {
	object *state.Object
	lines  Lines
	errs   []error
}

func (c *annotationCheck) refuse(name, hint string) {
	c.fail(name, strconv.Quote(c.object.Annotation(name))+" has no meaning", hint)
}

func (c *annotationCheck) fail(name, cause, hint string) {
	at := place(c.object, c.lines, "/metadata/annotations/"+escape.Replace(name))
	c.errs = append(c.errs, fault.New(fault.Invalid, "read", at, "annotation "+name+": "+cause).WithHint(hint))
}

// waves are whole numbers. Helm's weight says nothing of an object that is no hook of Helm's.
func (c *annotationCheck) waves() {
	names := []string{AnnotationWave, AnnotationArgoWave}
	if c.object.Annotation(AnnotationHelmHook) != "" {
		names = append(names, AnnotationHelmHookWeight)
	}
	for _, name := range names {
		value := c.object.Annotation(name)
		if _, err := strconv.Atoi(value); value != "" && err != nil {
			c.refuse(name, "write a whole number, such as \"1\"; objects without it are in wave 0")
		}
	}
}

// hook checks what cannot be told from one word: a deadline, and words about a hook where there is none.
func (c *annotationCheck) hook() {
	value := c.object.Annotation(AnnotationHookTimeout)
	if timeout, err := time.ParseDuration(value); value != "" && (err != nil || timeout <= 0) {
		c.refuse(AnnotationHookTimeout, "write a duration longer than 0s, such as \"10m\"; without it the Sync's timeout counts")
	}
	for _, name := range []string{AnnotationHook, AnnotationArgoHook, AnnotationHelmHook} {
		if c.object.Annotation(name) != "" {
			return
		}
	}
	for _, name := range []string{AnnotationHookRuns, AnnotationHookDelete, AnnotationHookTimeout} {
		if c.object.Annotation(name) != "" {
			c.fail(name, "the object is no hook", "say when it runs, such as "+AnnotationHook+": pre, or remove the line")
		}
	}
}

// names refuses what looks like an annotation of Setpoint's and is none: with setpoint.dev/hooks, a migration would be an ordinary Job.
func (c *annotationCheck) names() {
	for _, name := range c.object.AnnotationNames() {
		domain, word, _ := strings.Cut(name, "/")
		domain = strings.ToLower(domain)
		switch {
		case domain != Group && !strings.HasSuffix(domain, "."+Group), slices.Contains(own, name):
		case slices.Contains(written, name):
			c.fail(name, "it cannot be declared", "remove it: the agent writes it")
		default:
			c.fail(name, "Setpoint has no such annotation", cmp.Or(meant(Group+"/"+word, own), "its annotations are "+listed(own)))
		}
	}
}
