package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// Apps gives how every App is doing.
func (c *Client) Apps(ctx context.Context) (list v1alpha1.AppList, err error) {
	return list, c.get(ctx, base+"/apps", &list)
}

// Releases gives those of an App, the newest first.
func (c *Client) Releases(ctx context.Context, app string) (releases v1alpha1.Releases, err error) {
	return releases, c.get(ctx, appPath(app, "/releases"), &releases)
}

// Rollback goes back to a release of an App, 0 for the one before.
func (c *Client) Rollback(ctx context.Context, app string, to int) (releases v1alpha1.Releases, err error) {
	return releases, c.post(ctx, appPath(app, "/rollback"), v1alpha1.RollbackRequest{To: to}, &releases)
}

// LogHandler takes what Logs reads.
type LogHandler struct {
	Line func(v1alpha1.LogLine) error // its error ends the reading
	Lost func(error)                  // as in FollowQuery; nil for nobody
}

// Logs reads the lines of an App's output that the query selects. With Follow it goes on until ctx ends, which is no error then: after
// a loss it connects again, and no line is lost or comes twice.
func (c *Client) Logs(ctx context.Context, app string, query v1alpha1.LogQuery, handler LogHandler) error {
	reader := reader{query: query, seen: map[writer]position{}}
	output := subscription{client: c, down: handler.Lost}
	output.request = func(ctx context.Context) (*http.Request, error) {
		return c.ask(ctx, appPath(app, "/logs")+encodeLogs(reader.next()), mediaLine)
	}
	output.line = func(text string) error {
		line, some, err := c.lineOf(text)
		if err != nil || !some || !reader.fresh(line) {
			return err
		}
		return enoughOf(handler.Line(line))
	}
	if query.Follow {
		return output.run(ctx)
	}
	switch whole, err := output.once(ctx); {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil && !whole:
		return fault.New(fault.Transient, "read the output of", "app/"+app, "the connection broke before its end").WithHint("try again")
	default:
		return err
	}
}

// lineOf reads one line of an answer: output, nothing (a heartbeat), or why it breaks off.
func (c *Client) lineOf(text string) (line v1alpha1.LogLine, some bool, err error) {
	if text == "" {
		return line, false, nil
	}
	answer := struct {
		v1alpha1.LogLine
		Error *v1alpha1.Problem `json:"error"`
	}{}
	switch err := json.Unmarshal([]byte(text), &answer); {
	case err != nil:
		return line, false, c.stranger()
	case answer.Error != nil:
		return line, false, problem(*answer.Error)
	}
	return answer.LogLine, true, nil
}

func appPath(name, rest string) string { return base + "/apps/" + url.PathEscape(name) + rest }

func encodeLogs(query v1alpha1.LogQuery) string {
	values := []string{"process", query.Process}
	if !query.Since.IsZero() {
		values = append(values, "since", query.Since.UTC().Format(time.RFC3339Nano))
	}
	if query.Tail > 0 {
		values = append(values, "tail", strconv.Itoa(query.Tail))
	}
	if query.Follow {
		values = append(values, "follow", "true")
	}
	return encode(values...)
}
