package system_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/test/system"
)

// hearing is all that an agent has said, by where it was heard.
type hearing struct {
	said   map[string]string
	number int
}

// told are the paths of the API that give something to read.
var told = []string{
	"syncs", "syncs/shop", "syncs/web", "syncs/root", "syncs/shop/objects", "syncs/web/objects", "tree", "history?limit=1000", "agent", "apps",
	"events?since=2000-01-01T00:00:00Z",
}

// shown are the commands that look at an agent; each is asked for JSON too.
var shown = []string{
	"status", "status shop", "status web", "diff shop", "diff web", "history -n 100", "history shop -n 100", "history shop --deviation",
	"tree", "tree --why shop", "doctor",
}

// eavesdrop takes down what the agent says at the moment: to programs and to people.
func (s *secretScene) eavesdrop() {
	s.Helper()
	h := s.heard
	h.number++
	for _, path := range told {
		h.said[fmt.Sprintf("%d GET %s", h.number, path)] = s.read("/api/v1alpha1/" + path)
	}
	h.said[fmt.Sprintf("%d GET /metrics", h.number)] = s.read("/metrics")
	for _, command := range shown {
		for _, args := range [][]string{strings.Fields(command), append(strings.Fields(command), "-o", "json")} {
			h.said[fmt.Sprintf("%d setpoint %s", h.number, strings.Join(args, " "))] = s.agent.Setpoint(args...).String()
		}
	}
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.agent.PID()))
	if err != nil {
		s.Error(err)
	}
	h.said[fmt.Sprintf("%d command line", h.number)] = string(command)
}

// read gives an answer of the API; of one that does not end, what comes within a moment: kept events come at once.
func (s *secretScene) read(path string) string {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), system.Patience)
	if strings.Contains(path, "/events") {
		ctx, cancel = context.WithTimeout(s.Context(), 2*time.Second)
	}
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.agent.URL()+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil && !strings.Contains(path, "/events") {
		s.Errorf("GET %s: %v", path, err)
	}
	return string(body)
}

// nothingHeard looks for each secret, in each way that it may be written, in all that was heard, in the log, in everything that the agent
// has on disk, and in what it keeps in the cluster for itself. Where it cannot find what is no secret, it would find no secret either.
func (s *secretScene) nothingHeard() {
	s.Helper()
	s.heard.said["log"] = s.agent.Log()
	s.onDisk()
	for _, object := range s.plant.List(system.Path("v1", "configmaps", s.ns, "")) {
		if name := object.String("metadata", "name"); name != "banner" {
			s.heard.said["ConfigMap "+name] = system.JSON(s, map[string]any(object))
		}
	}
	for _, object := range s.plant.List(system.Path("v1", "events", s.ns, "")) {
		s.heard.said["Event "+object.String("metadata", "name")] = system.JSON(s, map[string]any(object))
	}
	secrets := []string{
		firstLogin, secondLogin, bannerText, firstDotenv, secondDotenv, refusedIP, variable, firstValue, secondValue, intruder,
		s.data("web", "random"), strings.TrimSpace(s.files["key.txt"]),
	}
	for _, secret := range secrets {
		if len(secret) < 8 {
			s.Fatalf("%q is too short to look for", secret)
		}
		for where, text := range s.heard.said {
			if way := writtenIn(text, secret); way != "" {
				s.Errorf("%s tells %q (%s): %s", where, secret, way, around(text, secret))
			}
		}
	}
	for where, harmless := range map[string]string{
		"log": "/login", "disk": "Change secrets", "1 GET syncs/shop/objects": "green", "2 setpoint diff shop": "colour",
		"2 setpoint diff shop -o json": "hmac:", "1 GET events": "Begin with secrets", "3 setpoint status shop": "Change secrets",
	} {
		if !s.heard.holds(where, harmless) {
			s.Errorf("%s does not tell %q, so that this test may be deaf", where, harmless)
		}
	}
}

// holds says whether one of the places whose name begins so tells something.
func (h *hearing) holds(where, what string) bool {
	for place, text := range h.said {
		if strings.HasPrefix(place, where) && strings.Contains(text, what) {
			return true
		}
	}
	return false
}

// onDisk takes down every file of the agent's data.
func (s *secretScene) onDisk() {
	s.Helper()
	err := filepath.WalkDir(s.agent.Data(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		s.heard.said["disk "+path] = string(data)
		return err
	})
	if err != nil {
		s.Error(err)
	}
}

// writtenIn says in which way a text has a secret written, "" when in none.
func writtenIn(text, secret string) string {
	inJSON, _ := json.Marshal(secret)
	for way, written := range map[string]string{
		"as it is": secret, "base64": base64.RawStdEncoding.EncodeToString([]byte(secret)),
		"base64 for URLs": base64.RawURLEncoding.EncodeToString([]byte(secret)), "hexadecimal": hex.EncodeToString([]byte(secret)),
		"quoted": strings.Trim(strconv.Quote(secret), `"`), "JSON": strings.Trim(string(inJSON), `"`), "a query": url.QueryEscape(secret),
		"JSON in JSON": strings.Trim(strconv.Quote(string(inJSON)), `"`),
	} {
		if strings.Contains(text, written) {
			return way
		}
	}
	return ""
}

// around gives the line of a text that has a secret in plaintext, or nothing.
func around(text, secret string) string {
	before, after, found := strings.Cut(text, secret)
	if !found {
		return ""
	}
	return before[max(0, len(before)-200):] + secret + after[:min(len(after), 100)]
}
