package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// DefaultURL is where an agent listens unless it is told otherwise.
const DefaultURL = "http://127.0.0.1:7468"

// answerLimit bounds what a client reads of one answer: 50,000 objects with their status fit in.
const answerLimit = 64 << 20

// Client speaks to an agent. Safe for concurrent use. Errors are the agent's own faults; one of kind Transient with a hint when
// no agent answers.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// NewClient makes a client; an empty address means DefaultURL.
func NewClient(address, token string) (*Client, error) {
	if address == "" {
		address = DefaultURL
	}
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return nil, fault.New(fault.Invalid, "use", "SETPOINT_URL", "this is not the URL of an agent").
			WithHint("write it like " + DefaultURL)
	}
	if parsed.User != nil {
		return nil, fault.New(fault.Invalid, "use", "SETPOINT_URL", "a URL with credentials").WithHint("put the token into SETPOINT_TOKEN")
	}
	return &Client{base: strings.TrimSuffix(parsed.String(), "/"), token: token, http: &http.Client{
		// A redirect would carry the token elsewhere, or turn a POST into a GET: an agent never answers with one.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// URL is where the agent is asked.
func (c *Client) URL() string { return c.base }

// Agent says which agent answers.
func (c *Client) Agent(ctx context.Context) (info v1alpha1.AgentInfo, err error) {
	return info, c.get(ctx, base+"/agent", &info)
}

// Syncs gives the status of every Sync.
func (c *Client) Syncs(ctx context.Context) (list v1alpha1.SyncList, err error) {
	return list, c.get(ctx, base+"/syncs", &list)
}

// Sync gives one Sync with its objects.
func (c *Client) Sync(ctx context.Context, name string) (detail v1alpha1.SyncDetail, err error) {
	return detail, c.get(ctx, syncPath(name, ""), &detail)
}

// Rendered gives the objects that a Sync wants, as JSON.
func (c *Client) Rendered(ctx context.Context, name string) (objects json.RawMessage, err error) {
	return objects, c.get(ctx, syncPath(name, "/objects"), &objects)
}

// Tree gives one Sync, or every one for "", with what is below.
func (c *Client) Tree(ctx context.Context, name string) (tree v1alpha1.Tree, err error) {
	return tree, c.get(ctx, base+"/tree"+encode("name", name), &tree)
}

// History gives one page of attempts.
func (c *Client) History(ctx context.Context, query store.AttemptQuery) (page v1alpha1.History, err error) {
	values := []string{"sync", query.Sync, "before", query.Before}
	if query.Limit > 0 {
		values = append(values, "limit", strconv.Itoa(query.Limit))
	}
	if !query.Since.IsZero() {
		values = append(values, "since", query.Since.UTC().Format(time.RFC3339))
	}
	return page, c.get(ctx, base+"/history"+encode(values...), &page)
}

// Request asks a Sync to look now.
func (c *Client) Request(ctx context.Context, name string) (accepted v1alpha1.Accepted, err error) {
	return accepted, c.post(ctx, syncPath(name, "/sync"), nil, &accepted)
}

// Suspend stops a Sync, or lets it go on.
func (c *Client) Suspend(ctx context.Context, name string, on bool) (status v1alpha1.SyncStatus, err error) {
	verb := "/resume"
	if on {
		verb = "/suspend"
	}
	return status, c.post(ctx, syncPath(name, verb), nil, &status)
}

// Diff says what a revision ("" for the newest) would change.
func (c *Client) Diff(ctx context.Context, name, revision string) (diff v1alpha1.Diff, err error) {
	return diff, c.post(ctx, syncPath(name, "/diff"), v1alpha1.DiffRequest{Revision: revision}, &diff)
}

func syncPath(name, rest string) string { return base + "/syncs/" + url.PathEscape(name) + rest }

// encode makes a query of names and values, without those that are empty.
func encode(pairs ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	if len(values) == 0 {
		return ""
	}
	return "?" + values.Encode()
}

// get asks, and reads the answer into result.
func (c *Client) get(ctx context.Context, path string, result any) error {
	response, err := c.send(ctx, http.MethodGet, path, nil) //nolint:bodyclose // read closes it
	if err != nil {
		return err
	}
	return c.read(response, result)
}

// post sends a body, nil for none, and reads the answer into result.
func (c *Client) post(ctx context.Context, path string, body, result any) error {
	response, err := c.send(ctx, http.MethodPost, path, body) //nolint:bodyclose // read closes it
	if err != nil {
		return err
	}
	return c.read(response, result)
}

func (c *Client) read(response *http.Response, result any) error {
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(response.Body, answerLimit))
	if err != nil {
		return fault.Wrap(fault.Transient, "read the answer of", c.base, err)
	}
	if err := json.Unmarshal(data, result); err != nil {
		return c.stranger()
	}
	return nil
}

// send gives a successful response, whose body the caller closes, or an error.
func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, "encode", "the request", err)
		}
		reader = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, reader)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "use", "SETPOINT_URL", err)
	}
	request.Header.Set("Accept", mediaJSON)
	if body != nil {
		request.Header.Set("Content-Type", mediaJSON)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	return c.roundTrip(request)
}

func (c *Client) roundTrip(request *http.Request) (*http.Response, error) {
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreachable(request.Context(), err)
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer func() { _ = response.Body.Close() }()
	data, _ := io.ReadAll(io.LimitReader(response.Body, bodyLimit)) // half an error is told like none
	var answer v1alpha1.ErrorAnswer
	if json.Unmarshal(data, &answer) != nil || answer.Error.Kind == "" {
		return nil, c.stranger()
	}
	return nil, problem(answer.Error)
}

// problem gives back the fault that an agent has answered with.
func problem(p v1alpha1.Problem) error {
	return &fault.Error{Kind: fault.Kind(p.Kind), Err: errors.New(p.Message), Hint: p.Hint}
}

// unreachable says why there is no answer, in words that lead on.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	cause := err
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		cause = wrapped.Err
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return &fault.Error{Kind: fault.Transient, Err: errors.New("no agent at " + c.base),
			Hint: "start one with `setpoint run --source URL`, or set SETPOINT_URL to where it listens"}
	}
	return fault.Wrap(fault.Transient, "ask the agent at", c.base, cause)
}

// stranger is for answers that no agent gives.
func (c *Client) stranger() error {
	return fault.New(fault.Invalid, "ask", c.base, "what answers there is not a Setpoint agent of this version").
		WithHint("set SETPOINT_URL to where the agent listens")
}
