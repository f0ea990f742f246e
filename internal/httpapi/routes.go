package httpapi

import (
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// route is one line of the API. The multiplexer and the OpenAPI document are both made from it.
type route struct {
	method, path string
	id           string // operationId
	summary      string
	query        []parameter
	body         any // an example of the request's type; nil for none
	result       any // an example of the answer's type; nil for anything
	media        string
	open         bool // answered without a token
	hook         bool // any body, larger than others
	later        bool // answered 202: carried out after the answer
	slow         bool // asks the target, so it may take minutes

	// One of both: answer gives a value for JSON, serve writes for itself.
	answer func(*api, *http.Request) (any, error)
	serve  func(*api, http.ResponseWriter, *http.Request) error
}

// parameter is one of the query.
type parameter struct {
	name, about string
	schema      map[string]any
}

func word(name, about string) parameter {
	return parameter{name, about, map[string]any{"type": "string"}}
}

func number(name, about string) parameter {
	return parameter{name, about, map[string]any{"type": "integer", "minimum": 0}}
}

func yesOrNo(name, about string) parameter {
	return parameter{name, about, map[string]any{"type": "boolean"}}
}

func instant(name, about string) parameter {
	return parameter{name, about, map[string]any{"type": "string", "format": "date-time"}}
}

const (
	base      = "/api/" + v1alpha1.Version
	mediaJSON = "application/json"
	mediaText = "text/plain; charset=utf-8"
	mediaSSE  = "text/event-stream"
	mediaLine = "application/x-ndjson"
)

// routes is the whole API. It is a function because one of the routes describes all of them.
func routes() []route { return slices.Concat(syncRoutes(), controlRoutes(), appRoutes(), ownRoutes()) }

// syncRoutes are those about Syncs.
func syncRoutes() []route {
	return []route{
		{method: "GET", path: base + "/syncs", id: "listSyncs", result: v1alpha1.SyncList{}, answer: (*api).syncs,
			summary: "The status of every Sync"},
		{method: "GET", path: base + "/syncs/{name}", id: "getSync", result: v1alpha1.SyncDetail{}, answer: (*api).sync,
			summary: "One Sync with its objects"},
		{method: "GET", path: base + "/syncs/{name}/objects", id: "renderedObjects", answer: (*api).rendered,
			summary: "The objects that a Sync wants now, secret values redacted"},
		{method: "GET", path: base + "/tree", id: "tree", result: v1alpha1.Tree{}, answer: (*api).tree,
			query:   []parameter{word("name", "only this Sync and what is below it")},
			summary: "Syncs, the Syncs below them, and their objects"},
		{method: "GET", path: base + "/history", id: "history", result: v1alpha1.History{}, answer: (*api).history,
			query: []parameter{
				word("sync", "only attempts of this Sync"),
				number("limit", "at most so many, 1 to 1000; default 100"),
				word("before", "the next of the page before"),
				instant("since", "started at or after"),
			},
			summary: "What was attempted, the newest first"},
		{method: "GET", path: base + "/events", id: "events", result: v1alpha1.Event{}, media: mediaSSE, serve: (*api).events,
			query: []parameter{
				word("sync", "only events of this Sync"),
				number("after", "go on after this event, like the header Last-Event-ID"),
				instant("since", "begin with the kept events from then on"),
			},
			summary: "What happens, as server-sent events; each datum is an Event"},
		{method: "POST", path: base + "/syncs/{name}/sync", id: "sync", result: v1alpha1.Accepted{}, later: true, answer: (*api).request,
			summary: "Look at the source and the target now"},
		{method: "POST", path: base + "/syncs/{name}/suspend", id: "suspend", result: v1alpha1.SyncStatus{}, answer: (*api).suspend,
			summary: "Change nothing until resumed; remembered across restarts"},
		{method: "POST", path: base + "/syncs/{name}/resume", id: "resume", result: v1alpha1.SyncStatus{}, answer: (*api).resume,
			summary: "Go on after a suspension"},
		{method: "POST", path: base + "/syncs/{name}/diff", id: "diff", body: v1alpha1.DiffRequest{}, result: v1alpha1.Diff{}, slow: true,
			answer: (*api).diff, summary: "What a revision would change, asking the target itself"},
	}
}

// appRoutes are those about the apps of a host.
func appRoutes() []route {
	return []route{
		{method: "GET", path: base + "/apps", id: "listApps", result: v1alpha1.AppList{}, answer: (*api).apps,
			summary: "How every app is doing"},
		{method: "GET", path: base + "/apps/{name}/releases", id: "releases", result: v1alpha1.Releases{}, answer: (*api).releases,
			summary: "The releases of an app, the newest first"},
		{method: "POST", path: base + "/apps/{name}/rollback", id: "rollback", body: v1alpha1.RollbackRequest{},
			result: v1alpha1.Releases{}, later: true, answer: (*api).rollback,
			summary: "Go back to a release, until the app's declaration changes"},
		{method: "GET", path: base + "/apps/{name}/logs", id: "logs", result: v1alpha1.LogLine{}, media: mediaLine, serve: (*api).logs,
			query: []parameter{
				word("process", "only of this process (web.2), or of this process type (web)"),
				instant("since", "written at or after"),
				number("tail", "at most so many of the newest; 0 for all, which is the default"),
				yesOrNo("follow", "go on with what is written from then on"),
			},
			summary: "An app's output, a LogLine in each line; an ErrorAnswer as the last line when it breaks off"},
	}
}

// ownRoutes are those about the agent itself.
func ownRoutes() []route {
	return []route{
		{method: "GET", path: base + "/agent", id: "agent", result: v1alpha1.AgentInfo{}, answer: (*api).agent,
			summary: "Which agent this is, and whether it is ready"},
		{method: "POST", path: "/hook", id: "hook", result: v1alpha1.Accepted{}, hook: true, later: true, answer: (*api).hook,
			query:   []parameter{word("source", "only Syncs of this Source: its name or URL")},
			summary: "Wake up early: look for new revisions now. The body is not looked at"},
		{method: "GET", path: "/openapi.json", id: "openapi", answer: (*api).openapi, summary: "This document"},
		{method: "GET", path: "/livez", id: "live", media: mediaText, open: true, serve: (*api).live,
			summary: "Whether the process works"},
		{method: "GET", path: "/readyz", id: "ready", media: mediaText, open: true, serve: (*api).ready,
			summary: "Whether the agent has read its root and compared it once; if not, why, with status 503"},
		{method: "GET", path: "/metrics", id: "metrics", media: mediaText, serve: (*api).metrics,
			summary: "Metrics in the Prometheus text format"},
	}
}

func (r route) status() int {
	if r.later {
		return http.StatusAccepted
	}
	return http.StatusOK
}

func (r route) patience() time.Duration {
	if r.slow {
		return diffTime
	}
	return readTime
}

func (r route) mediaType() string {
	if r.media == "" {
		return mediaJSON
	}
	return r.media
}

var placeholder = regexp.MustCompile(`\\\{[a-z]+\\\}`)

// matches says whether a path is the route's, whatever the method.
func (r route) matches(path string) bool {
	pattern := placeholder.ReplaceAllString(regexp.QuoteMeta(r.path), "[^/]+")
	return regexp.MustCompile("^" + pattern + "$").MatchString(path)
}
