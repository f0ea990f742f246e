package oci

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source/fetch"
)

// errLies says that a registry sends something else than what the digest stands for.
var errLies = errors.New("what the registry sends is not what its digest says")

// errTooLong says that an answer is beyond what is read.
var errTooLong = errors.New("the registry's answer is longer than it may be")

const (
	unreachableHint = "check that the registry runs and can be reached from here" + fetch.TriedAgain
	liesHint        = "the registry, or what is in between, is broken or hostile; nothing of it was used"
)

// explain makes a fault of whatever went wrong while talking to the registry. Its message holds no address, port or time, so that the same
// problem always reads the same.
func (r *Repository) explain(op string, err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*fault.Error](err); ok {
		return r.forPerson(known)
	}
	kind, hint, cause := r.reason(err)
	if cause == nil {
		return r.forPerson(fetch.Explain(op, r.String(), err))
	}
	return r.forPerson(&fault.Error{Op: op, Item: r.String(), Kind: kind, Err: cause, Hint: hint})
}

// atHand are words of hints that are about sources, and those for somebody at a command line: there nothing is tried again by itself.
var atHand = strings.NewReplacer(
	fetch.TriedAgain, "",
	"add the key or identity to verify.oci", "add the key to the file after --verify-key",
	"; the revision before stays in force", "",
	"of the agent's data directory, and that the agent may write there", "of the folder for temporary files, and that you may write there",
	"insecure in the source, --plain-http on the command line", "--plain-http",
	"in caFile of the source", "by --ca-file",
	"and that the agent may read it", "and that you may read it",
	", and the agent has to be able to read it", ", and you have to be able to read it",
)

// forPerson words an error for the person who has asked, if there is one.
func (r *Repository) forPerson(err error) error {
	known, ok := errors.AsType[*fault.Error](err)
	if !ok || r.access.field != "" {
		return err
	}
	op := known.Op
	if known.Item == r.String() {
		op = cmp.Or(r.doing, op)
	}
	return &fault.Error{Op: op, Item: known.Item, Kind: known.Kind, Err: known.Err, Hint: atHand.Replace(known.Hint)}
}

// reason says what an error means that is about registries; the cause is nil for one that is about the network alone.
func (r *Repository) reason(err error) (kind fault.Kind, hint string, cause error) {
	var answer *errcode.ErrorResponse
	switch {
	case errors.As(err, &answer):
		return r.statusReason(answer)
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return fault.Denied, r.credentialsHint(), errors.New("the registry asks for credentials")
	case strings.Contains(err.Error(), "bearer realm"), strings.Contains(err.Error(), "redirect of token request"):
		return fault.Denied, liesHint, errors.New("the registry names a token server that it may not name")
	case errors.Is(err, errdef.ErrNotFound):
		return fault.NotFound, "check the reference, and what the credentials may read", errors.New("there is no such artifact")
	case errors.Is(err, http.ErrSchemeMismatch):
		return fault.Invalid, "where that is meant, say so: insecure in the source, --plain-http on the command line",
			errors.New("the registry speaks HTTP without TLS")
	case errors.Is(err, errdef.ErrTooManyPages):
		return fault.Invalid, "keep fewer tags in one repository, or follow a tag",
			errors.New("the registry lists more tags than are looked at")
	case errors.Is(err, errdef.ErrSizeExceedsLimit), errors.Is(err, errTooLong):
		return fault.Invalid, liesHint, errTooLong
	case errors.Is(err, errLies), errors.Is(err, content.ErrMismatchedDigest), errors.Is(err, content.ErrTrailingData),
		errors.Is(err, content.ErrInvalidDescriptorSize), saysMismatch(err):
		return fault.Invalid, liesHint, errLies
	}
	return "", "", nil
}

// saysMismatch recognises those errors of the library that have no value of their own.
func saysMismatch(err error) bool {
	text := err.Error()
	for _, words := range []string{
		"mismatch Content-Length", "mismatch response Content-Type", "digest mismatch", "invalid response", "invalid next link",
		"unknown response Content-Length", "missing required header", "failed to decode response",
	} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

func (r *Repository) statusReason(answer *errcode.ErrorResponse) (fault.Kind, string, error) {
	said := http.StatusText(answer.StatusCode)
	if len(answer.Errors) > 0 && answer.Errors[0].Code != "" { // its message may hold anything, and differ from time to time
		said = strings.ToLower(strings.ReplaceAll(answer.Errors[0].Code, "_", " "))
	}
	if said == "" || len(said) > 100 {
		said = "an error without a name"
	}
	cause := errors.New("the registry answers: " + said)
	switch code := answer.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return fault.Denied, r.credentialsHint(), errors.New("the registry refuses the credentials, or asks for some")
	case code == http.StatusNotFound, code == http.StatusGone:
		return fault.NotFound, "check the URL and what the credentials may read",
			errors.New("there is no such repository, or these credentials may not see it")
	case code == http.StatusProxyAuthRequired:
		return fault.Denied, "the proxy asks for credentials: put them into its URL", cause
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		return fault.Transient, unreachableHint, cause
	}
	return fault.Invalid, "check the URL", cause
}

func (r *Repository) credentialsHint() string {
	const docker = "a login of the Docker configuration"
	switch {
	case r.access.field == "":
		return "set SETPOINT_OCI_USERNAME and SETPOINT_OCI_PASSWORD, or SETPOINT_OCI_TOKEN, or use " + docker
	case r.access.Credentials != nil:
		return "check that " + r.access.field + ".credentials of the source are right, have not expired, and may read this repository"
	}
	return "set " + r.access.field + ".credentials of the source, or for the agent's own registry SETPOINT_OCI_USERNAME and " +
		"SETPOINT_OCI_PASSWORD, or give the agent " + docker
}
