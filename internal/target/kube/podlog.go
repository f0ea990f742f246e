package kube

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// What is asked of the log of a failed Job's container, and what is shown of it.
const (
	logLines   = 5
	logBytes   = 2048
	shownBytes = 300
)

// workloadReason gives why a workload is not healthy, as its worst Pod says; see worstPod. Of a Job that failed without leaving a
// termination message the end of the failed container's log is added: the controller's "BackoffLimitExceeded" helps nobody.
func (c *client) workloadReason(ctx context.Context, live map[string]any, lane string) (state.Health, bool) {
	pod, health, found := worstPod(ctx, c.dynamic, live)
	if !found || textOf(live["kind"]) != "Job" || !assess(live).Final {
		return health, found
	}
	container, silent := failedContainer(pod)
	if !silent {
		return health, true
	}
	if words := c.lastWords(ctx, pod, container, lane); words != "" {
		health.Message = strings.TrimSuffix(health.Message, ":") + ": " + words
	}
	return health, true
}

// failedContainer gives the first container of a Pod that failed; silent says that there is one, and that it left no message.
func failedContainer(pod view) (name string, silent bool) {
	for _, list := range []string{"initContainerStatuses", "containerStatuses"} {
		for _, item := range pod.list("status", list) {
			status, _ := item.(map[string]any)
			if end := lastEnd(view{status}); end.failed() {
				return textOf(status["name"]), strings.TrimSpace(end.message) == ""
			}
		}
	}
	return "", false
}

// lastWords reads the end of a container's log, as one line. It is worth one try: "" when it cannot be read, because the identity
// may not, or the node has gone with its kubelet.
func (c *client) lastWords(ctx context.Context, pod view, container, lane string) string {
	ctx, cancel := context.WithTimeout(ctx, podTimeout)
	defer cancel()
	r := resource{gvr: podResource, namespaced: true}
	query := url.Values{
		"container": {container}, "tailLines": {strconv.Itoa(logLines)}, "limitBytes": {strconv.Itoa(logBytes)},
	}
	got, _, err := c.once(ctx, call{
		method: http.MethodGet, path: r.path(pod.text("metadata", "namespace"), pod.text("metadata", "name")) + "/log",
		query: query, accept: "text/plain, */*", lane: lane,
	})
	if err != nil {
		return ""
	}
	return oneLine(string(got.body[max(0, len(got.body)-logBytes):]))
}

// escapeSequences are what programs colour a terminal with.
var escapeSequences = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)|[@-Z\\\\-_])")

// oneLine puts the end of a log on one line of bounded length, without anything that could play tricks on whoever reads it.
func oneLine(log string) string {
	log = escapeSequences.ReplaceAllString(strings.ToValidUTF8(log, ""), "")
	var lines []string
	for line := range strings.Lines(log) {
		visible := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsSpace(r):
				return ' '
			case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Co):
				return -1
			}
			return r
		}, line)
		if words := strings.Fields(visible); len(words) > 0 {
			lines = append(lines, strings.Join(words, " "))
		}
	}
	text := strings.Join(lines[max(0, len(lines)-logLines):], " | ")
	if len(text) <= shownBytes {
		return text
	}
	cut := len(text) - shownBytes
	for cut < len(text) && !utf8.RuneStart(text[cut]) {
		cut++
	}
	return "…" + text[cut:]
}
