package httpapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// Attempts per page.
const (
	pageDefault = 100
	pageMax     = 1000
)

func (a *api) agent(*http.Request) (any, error) {
	info := v1alpha1.AgentInfo{
		Name: a.options.Name, Version: a.options.Version, HostRoot: a.options.HostRoot, Data: a.options.Data,
		Time: a.options.Now().UTC(), Ready: true,
	}
	if err := a.backend.Ready(); err != nil {
		info.Ready, info.Waiting = false, err.Error()
	}
	return info, nil
}

func (a *api) syncs(*http.Request) (any, error) {
	syncs := a.backend.Syncs()
	if syncs == nil {
		syncs = []v1alpha1.SyncStatus{}
	}
	return v1alpha1.SyncList{Syncs: syncs}, nil
}

func (a *api) sync(r *http.Request) (any, error) { return a.detail(r.PathValue("name")) }

func (a *api) detail(name string) (v1alpha1.SyncDetail, error) {
	detail, err := a.backend.Sync(name)
	if detail.Items == nil {
		detail.Items = []v1alpha1.ObjectStatus{}
	}
	return detail, err
}

func (a *api) rendered(r *http.Request) (any, error) {
	data, err := a.backend.Rendered(r.PathValue("name"))
	return json.RawMessage(data), err
}

func (a *api) tree(r *http.Request) (any, error) {
	below, known := map[string][]string{}, map[string]bool{}
	syncs := a.backend.Syncs()
	for _, status := range syncs {
		known[status.Name] = true
	}
	for _, status := range syncs {
		parent := status.Parent
		if !known[parent] {
			parent = "" // an orphan is shown at the top rather than not at all
		}
		below[parent] = append(below[parent], status.Name)
	}
	roots := below[""]
	if name := r.URL.Query().Get("name"); name != "" {
		if _, err := a.backend.Sync(name); err != nil {
			return nil, err
		}
		roots = []string{name}
	}
	return v1alpha1.Tree{Roots: a.grow(roots, below, map[string]bool{})}, nil
}

// grow reads Syncs and what is below them. A Sync that went meanwhile is left out; seen guards against a circle of parents.
func (a *api) grow(names []string, below map[string][]string, seen map[string]bool) []v1alpha1.TreeNode {
	nodes := []v1alpha1.TreeNode{}
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		detail, err := a.detail(name)
		if err != nil {
			continue
		}
		nodes = append(nodes, v1alpha1.TreeNode{SyncDetail: detail, Children: a.grow(below[name], below, seen)})
	}
	return nodes
}

func (a *api) history(r *http.Request) (any, error) {
	values := r.URL.Query()
	query := store.AttemptQuery{Sync: values.Get("sync"), Before: values.Get("before"), Limit: pageDefault}
	if text := values.Get("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 || limit > pageMax {
			return nil, fault.New(fault.Invalid, "read", "limit", fmt.Sprintf("want a whole number from 1 to %d", pageMax))
		}
		query.Limit = limit
	}
	since, err := timeIn(r, "since")
	if err != nil {
		return nil, err
	}
	query.Since = since
	attempts, err := a.backend.Attempts(r.Context(), query)
	if err != nil {
		return nil, err
	}
	page := v1alpha1.History{Attempts: attempts}
	if attempts == nil {
		page.Attempts = []v1alpha1.Attempt{}
	}
	if len(attempts) == query.Limit {
		page.Next = attempts[len(attempts)-1].ID
	}
	return page, nil
}

// timeIn reads a query parameter; the zero time when it is not given.
func timeIn(r *http.Request, name string) (time.Time, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fault.New(fault.Invalid, "read", name, "want a time such as 2026-01-31T15:04:05Z")
	}
	return when, nil
}

func (a *api) openapi(*http.Request) (any, error) { return document(a.options.Version), nil }

func (a *api) live(w http.ResponseWriter, _ *http.Request) error {
	return say(w, http.StatusOK, "ok")
}

func (a *api) ready(w http.ResponseWriter, _ *http.Request) error {
	if err := a.backend.Ready(); err != nil {
		return say(w, http.StatusServiceUnavailable, err.Error())
	}
	return say(w, http.StatusOK, "ok")
}

func say(w http.ResponseWriter, status int, text string) error {
	w.Header().Set("Content-Type", mediaText)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // a client that is gone needs no answer
	return nil
}

func (a *api) metrics(w http.ResponseWriter, r *http.Request) error {
	if a.options.Metrics == nil {
		return fault.New(fault.NotFound, "read", "metrics", "this agent has none")
	}
	a.options.Metrics.ServeHTTP(w, r)
	return nil
}
