package kube

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

const (
	requestTimeout = 30 * time.Second
	maxTries       = 4                // of one request that fails for a reason that may go away
	maxRetryWait   = 10 * time.Second // a server that asks for more gets the error passed on to the caller's back-off
	maxAnswer      = 64 << 20         // bytes; etcd's own limit for an object is 1.5 MiB

	contentJSON  = "application/json"
	contentApply = "application/apply-patch+yaml" // JSON is YAML
)

// client sends requests as one identity. Bodies stay bytes: parsing what nobody reads would cost more than the request.
// Safe for concurrent use.
type client struct {
	http    *http.Client
	base    *url.URL
	lanes   *lanes
	dynamic dynamic.Interface
	disco   *discovery.DiscoveryClient
	openAPI fetchSchema
}

func newClient(config *rest.Config, lanes *lanes) (*client, error) {
	httpClient, err := newHTTPClient(config)
	if err != nil {
		return nil, err
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("the cluster's address: %w", err)
	}
	c := &client{http: httpClient, base: base, lanes: lanes}
	if c.disco, err = discovery.NewDiscoveryClientForConfigAndClient(config, httpClient); err != nil {
		return nil, err
	}
	if c.dynamic, err = dynamic.NewForConfigAndClient(config, httpClient); err != nil {
		return nil, err
	}
	c.openAPI = fetchOpenAPI(c.disco.RESTClient())
	return c, nil
}

func (c *client) closeIdle() { c.http.CloseIdleConnections() }

// call is one request.
type call struct {
	method      string
	path        string // "/api/v1/namespaces/default/configmaps/a"
	query       url.Values
	body        []byte
	contentType string
	accept      string // "" is JSON
	lane        string // whose turn it takes
	most        int    // bytes of an answer; 0 is maxAnswer
}

// answer is what the server said to a call that succeeded.
type answer struct {
	code int
	body []byte
}

// do sends a request, again when it fails for a reason that may go away, as long as ctx lasts. The error is an
// apierrors.APIStatus when the server answered.
func (c *client) do(ctx context.Context, request call) (answer, error) {
	for try := 1; ; try++ {
		got, wait, err := c.once(ctx, request)
		if err == nil || wait < 0 || try == maxTries || ctx.Err() != nil {
			return got, err
		}
		if wait == 0 {
			wait = 100 * time.Millisecond << try
			wait += rand.N(wait) //nolint:gosec // jitter, not a secret
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return got, err
		}
	}
}

// once sends a request once. With an error comes how long to wait before the next try: negative for never, 0 for the
// caller's own choice.
func (c *client) once(ctx context.Context, request call) (answer, time.Duration, error) {
	if err := c.lanes.acquire(ctx, request.lane); err != nil {
		return answer{}, -1, err
	}
	defer c.lanes.release()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	response, err := c.send(ctx, request)
	if err != nil {
		return answer{}, 0, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := readAll(response, cmp.Or(request.most, maxAnswer))
	if err != nil {
		wait := time.Duration(0)
		if _, large := errors.AsType[tooLargeError](err); large {
			wait = -1
		}
		return answer{}, wait, fmt.Errorf("read the server's answer: %w", err)
	}
	if response.StatusCode/100 == 2 {
		return answer{code: response.StatusCode, body: body}, 0, nil
	}
	return answer{code: response.StatusCode, body: body}, retryWait(response), statusError(response, body)
}

// send sends a request and gives the open answer, for once and for watches.
func (c *client) send(ctx context.Context, request call) (*http.Response, error) {
	target := *c.base
	target.Path = strings.TrimSuffix(target.Path, "/") + request.path
	target.RawQuery = request.query.Encode()
	req, err := http.NewRequestWithContext(ctx, request.method, target.String(), bytes.NewReader(request.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", cmp.Or(request.accept, contentJSON))
	if request.contentType != "" {
		req.Header.Set("Content-Type", request.contentType)
	}
	response, err := c.http.Do(req)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // without method and URL, which would make the message differ from try to try
	}
	return response, err
}

// tooLargeError says that an answer was not read to its end.
type tooLargeError int

func (e tooLargeError) Error() string {
	return fmt.Sprintf("the answer is larger than %d bytes", int(e))
}

func readAll(response *http.Response, most int) ([]byte, error) {
	if n := response.ContentLength; n > 0 && n <= int64(most) {
		body := make([]byte, n)
		_, err := io.ReadFull(response.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(most)+1))
	if err == nil && len(body) > most {
		err = tooLargeError(most)
	}
	return body, err
}

// retryWait says how long the server wants to be left alone, 0 when it does not say, negative when trying again is of no use.
func retryWait(response *http.Response) time.Duration {
	switch response.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return 0
	default:
		return -1
	}
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	wait := time.Duration(seconds) * time.Second
	if wait > maxRetryWait {
		return -1
	}
	return wait + rand.N(wait/4+time.Millisecond) //nolint:gosec // jitter, not a secret: not all at the same instant
}

func statusError(response *http.Response, body []byte) error {
	var status metav1.Status
	if json.Unmarshal(body, &status) == nil && status.Kind == "Status" && status.Status == metav1.StatusFailure {
		if status.Code == 0 {
			status.Code = int32(response.StatusCode)
		}
		return &apierrors.StatusError{ErrStatus: status}
	}
	text := strings.TrimSpace(string(body[:min(len(body), 200)]))
	status = metav1.Status{
		Status: metav1.StatusFailure, Code: int32(response.StatusCode), Message: response.Status + ": " + text,
	}
	return &apierrors.StatusError{ErrStatus: status}
}
