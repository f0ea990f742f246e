package kube

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// explain makes a fault of a failed request: what kind of failure it is, and what to do about it.
func explain(op, item string, err error) error { return explainWithout(diff.Scrubber{}, op, item, err) }

// explain is the same for a request about a desired object: the server quotes the values that it refuses, and those that are secret are
// left out before anything is shortened.
func (w *wanted) explain(op string, err error) error {
	if err == nil {
		return nil
	}
	return explainWithout(diff.ScrubberOf(w.object), op, w.declared.String(), err)
}

func explainWithout(secrets diff.Scrubber, op, item string, err error) error {
	if err == nil {
		return nil
	}
	var known *fault.Error
	if errors.As(err, &known) && known.Kind != "" {
		return err
	}
	kind, hint := classify(err)
	if causes := violations(err); len(causes) > 1 {
		errs := make([]error, len(causes))
		for i, cause := range causes {
			errs[i] = fault.New(kind, op, item, shorten(secrets.Text(cause))).WithHint(hint)
		}
		return errors.Join(errs...)
	}
	return (&fault.Error{Op: op, Item: item, Kind: kind, Err: brief(plain(err), secrets)}).WithHint(hint)
}

// violations gives each field that the server's validation refuses, with what is wrong with it.
func violations(err error) []string {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var found []string
	for _, cause := range status.Status().Details.Causes {
		text := cause.Message
		if cause.Field != "" {
			text = cause.Field + ": " + text
		}
		if !slices.Contains(found, text) {
			found = append(found, text)
		}
	}
	return found
}

// plain drops addresses and ports of a network error: they would make the same problem look different each time.
func plain(err error) error {
	var operation *net.OpError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &operation) && operation.Op == "dial":
		return errors.New("the API server cannot be reached")
	case errors.As(err, &operation):
		return errors.New("the connection to the API server broke")
	}
	return err
}

func classify(err error) (fault.Kind, string) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return fault.Transient, "" // no answer: network, TLS, deadline
	}
	message := status.Status().Message
	switch {
	case hasCause(err, "NamespaceTerminating"):
		return fault.Transient, "the namespace is being deleted; it is tried again when it is gone"
	case apierrors.IsUnauthorized(err):
		return fault.Denied, "the cluster does not accept the credentials; check with: kubectl auth whoami"
	case apierrors.IsForbidden(err) && strings.Contains(message, "exceeded quota"):
		return fault.Denied, "raise the namespace's ResourceQuota, or ask for less"
	case strings.Contains(message, "ValidatingAdmissionPolicy") && strings.Contains(message, "denied request"):
		return fault.Denied, "mend the object, or see what the policy asks for: kubectl get validatingadmissionpolicy NAME -o yaml"
	case strings.Contains(message, "admission webhook") && strings.Contains(message, "denied"):
		return fault.Denied, "mend the object as the webhook asks, or ask whoever runs the webhook"
	case apierrors.IsForbidden(err):
		return fault.Denied, "mend the object, or ask whoever set up the cluster's permissions and admission rules"
	case immutable(err):
		return fault.Invalid, "annotate the object with " + v1alpha1.AnnotationForce + `: "true" to have it deleted and created anew`
	case apierrors.IsNotFound(err):
		return fault.NotFound, missingHint(status.Status())
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return fault.Conflict, ""
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return fault.Invalid, "mend the fields that the message names"
	case apierrors.IsRequestEntityTooLargeError(err):
		return fault.Invalid, "split the object: etcd takes about 1.5 MB"
	case status.Status().Code >= 400 && status.Status().Code < 500 && status.Status().Code != 429:
		return fault.Invalid, ""
	}
	return fault.Transient, ""
}

func missingHint(status metav1.Status) string {
	if status.Details != nil && status.Details.Kind == "namespaces" {
		return "create the namespace, or declare it beside the object"
	}
	return ""
}

func hasCause(err error, cause string) bool {
	return apierrors.HasStatusCause(err, metav1.CauseType(cause))
}

// immutable says whether a request was refused because a field cannot be changed in place. The server has no reason code for
// it; these are the words of its validation, which clients have relied on for years.
func immutable(err error) bool {
	if !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) {
		return false
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	message := status.Status().Message
	for _, words := range []string{
		"field is immutable", "is immutable after creation", "Value is immutable", "may not be changed",
		"updates to statefulset spec for fields other than", "cannot change roleRef",
	} {
		if strings.Contains(message, words) {
			return true
		}
	}
	return false
}

// endpointMissing says whether the server does not serve the resource at all (as opposed to not having the object): a CRD that
// was established a moment ago, or is gone.
func endpointMissing(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details == nil || details.Name == ""
}

// dryRunUnsupported says whether a rehearsal was refused only because a webhook with side effects would have to be called: then
// nobody can tell beforehand. The server has no reason code for it.
func dryRunUnsupported(err error) bool {
	var status apierrors.APIStatus
	return apierrors.IsBadRequest(err) && errors.As(err, &status) &&
		strings.Contains(status.Status().Message, "does not support dry run")
}
