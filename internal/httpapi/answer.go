package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// write answers with a value as JSON.
func write(w http.ResponseWriter, status int, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		fail(w, fault.Wrap(fault.Internal, "encode", "the answer", err))
		return
	}
	w.Header().Set("Content-Type", mediaJSON)
	w.WriteHeader(status)
	// The client may be gone: nobody is left to tell.
	_, _ = w.Write(append(data, '\n'))
}

// fail answers with an error, under the status of its kind.
func fail(w http.ResponseWriter, err error) {
	var large *http.MaxBytesError
	var denied *unauthorized
	switch {
	case errors.As(err, &large):
		refuse(w, http.StatusRequestEntityTooLarge, err)
	case errors.As(err, &denied):
		w.Header().Set("WWW-Authenticate", `Bearer realm="setpoint"`)
		refuse(w, http.StatusUnauthorized, err)
	default:
		if fault.KindOf(err) == fault.Transient {
			w.Header().Set("Retry-After", "5")
		}
		refuse(w, statusOf(fault.KindOf(err)), err)
	}
}

func refuse(w http.ResponseWriter, status int, err error) {
	write(w, status, v1alpha1.ErrorAnswer{Error: Problem(err)})
}

func statusOf(kind fault.Kind) int {
	switch kind {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Denied:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Transient:
		return http.StatusServiceUnavailable
	case fault.Internal:
	}
	return http.StatusInternalServerError
}

// Problem gives an error as the API shows it. Joined errors become one, line by line.
func Problem(err error) v1alpha1.Problem {
	var lines []string
	for _, part := range fault.Flatten(err) {
		lines = append(lines, part.Error())
	}
	return v1alpha1.Problem{
		Kind:    string(fault.KindOf(err)),
		Message: strings.Join(lines, "\n"),
		Hint:    fault.HintOf(err),
	}
}
