package v1alpha1

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// annotationWords are the values that Setpoint's annotations may have.
var annotationWords = []struct {
	name  string
	words []string
}{
	{AnnotationDrift, []string{DriftCorrect, DriftReport, DriftIgnore}},
	{AnnotationForce, []string{"true", "false"}},
	{AnnotationPrune, []string{"disabled", "enabled"}},
}

// checkAnnotations says what is wrong with the annotations by which an object of any kind asks something of Setpoint. A misspelt
// word must not pass for nothing said: it may be all that keeps an object from being deleted.
func checkAnnotations(object *state.Object, lines Lines) error {
	var errs []error
	refuse := func(name, hint string) {
		at := place(object, lines, "/metadata/annotations/"+strings.ReplaceAll(name, "/", "~1"))
		errs = append(errs, fault.New(fault.Invalid, "read", at,
			"annotation "+name+": "+strconv.Quote(object.Annotation(name))+" has no meaning").WithHint(hint))
	}
	if wave := object.Annotation(AnnotationWave); wave != "" {
		if _, err := strconv.Atoi(wave); err != nil {
			refuse(AnnotationWave, "write a whole number, such as \"1\"; objects without it are in wave 0")
		}
	}
	for _, known := range annotationWords {
		if value := object.Annotation(known.name); value != "" && !slices.Contains(known.words, value) {
			refuse(known.name, "write one of "+strings.Join(known.words, ", "))
		}
	}
	return errors.Join(errs...)
}
