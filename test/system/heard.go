package system

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
)

// Heard is what an agent has said and what it keeps, by where that was heard. Tests look in it for what must be nowhere.
type Heard map[string]string

// Eavesdrop takes down what the agent says at a moment to programs (paths of the API, below its base) and to people (commands, each of
// which is asked for JSON too).
func (p *Process) Eavesdrop(into Heard, moment string, paths, commands []string) {
	p.t.Helper()
	for _, path := range paths {
		into[moment+" GET "+path] = p.read("/api/v1alpha1/" + path)
	}
	into[moment+" GET /metrics"] = p.read("/metrics")
	for _, command := range commands {
		for _, args := range [][]string{strings.Fields(command), append(strings.Fields(command), "-o", "json")} {
			into[moment+" setpoint "+strings.Join(args, " ")] = p.Setpoint(args...).String()
		}
	}
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID()))
	if err != nil {
		p.t.Error(err)
	}
	into[moment+" command line"] = string(command)
}

// read gives an answer of the API; of one that does not end, what comes within a moment: kept events come at once.
func (p *Process) read(path string) string {
	p.t.Helper()
	patience, endless := Patience, strings.Contains(path, "/events")
	if endless {
		patience = 2 * time.Second
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL()+path, http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil && !endless {
		p.t.Errorf("GET %s: %v", path, err)
	}
	return string(body)
}

// Search takes down the agent's log, as "log", and every file of its data directory, as "disk PATH".
func (p *Process) Search(into Heard) {
	p.t.Helper()
	into["log"] = p.Log()
	err := filepath.WalkDir(p.Data(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(p.Data(), path)
		into["disk "+name] = string(data)
		return err
	})
	if err != nil {
		p.t.Error(err)
	}
}

// Tells gives the places that tell a secret, with the way in which it is written there.
func (h Heard) Tells(secret string) (places []string) {
	inJSON, _ := json.Marshal(secret)
	ways := map[string]string{
		"as it is": secret, "in base64": base64.RawStdEncoding.EncodeToString([]byte(secret)),
		"in base64 for URLs": base64.RawURLEncoding.EncodeToString([]byte(secret)), "in hexadecimal": hex.EncodeToString([]byte(secret)),
		"quoted": strings.Trim(strconv.Quote(secret), `"`), "in JSON": strings.Trim(string(inJSON), `"`),
		"as in a URL": url.QueryEscape(secret), "in JSON in JSON": strings.Trim(strconv.Quote(string(inJSON)), `"`),
	}
	for place, text := range h {
		for way, written := range ways {
			if before, after, found := strings.Cut(text, written); found {
				around := before[max(0, len(before)-100):] + "…" + after[:min(len(after), 50)]
				places = append(places, fmt.Sprintf("%s, %s: %q", place, way, around))
				break
			}
		}
	}
	return places
}

// Holds says whether one of the places whose name begins so has a text.
func (h Heard) Holds(place, text string) bool {
	for name, said := range h {
		if strings.HasPrefix(name, place) && strings.Contains(said, text) {
			return true
		}
	}
	return false
}
