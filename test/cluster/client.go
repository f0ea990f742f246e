package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// A StatusError is an answer of the API server that is not a success.
type StatusError struct {
	Method, Path string
	Code         int
	Body         string
}

// Error says what was asked and what the server said.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s %s: HTTP %d: %s", e.Method, e.Path, e.Code, e.Body)
}

// IsStatus reports whether err is an answer of the API server with this HTTP code.
func IsStatus(err error, code int) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Code == code
}

// Do sends one request as the admin and returns the answer's body, for tests that need no client library. The body is JSON
// (or YAML for PATCH, which means server-side apply: name ?fieldManager=… in the path). A code other than 2xx is a
// *StatusError.
func (c *Cluster) Do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the request %s %s: %w", method, path, err)
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "setpoint-test-cluster")
	request.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/apply-patch+yaml")
	}
	response, err := c.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the test cluster: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer to %s %s: %w", method, path, err)
	}
	if response.StatusCode/100 != 2 {
		return nil, &StatusError{Method: method, Path: path, Code: response.StatusCode, Body: string(answer)}
	}
	return answer, nil
}
