package system_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/test/system"
)

const events = "events?since=2000-01-01T00:00:00Z"

// eavesdrop takes down what the agent says at the moment: of some of its Syncs, and of all.
func (s *secretScene) eavesdrop(syncs ...string) {
	s.Helper()
	s.moment++
	told := []string{"syncs", "tree", "history?limit=1000", "agent", "apps", events}
	shown := []string{"status", "history -n 100", "tree", "tree --why", "doctor"}
	for _, name := range syncs {
		told = append(told, "syncs/"+name, "syncs/"+name+"/objects", "syncs/"+name+"/why", "syncs/"+name+"/deviation", "tree?name="+name)
		shown = append(shown, "status "+name, "diff "+name, "history "+name+" -n 100", "history "+name+" --deviation",
			"tree "+name, "tree --why "+name)
	}
	moment := fmt.Sprint(s.moment)
	s.askedAll(told)
	s.agent.Eavesdrop(s.heard, moment, told, shown)
	count := strings.Count(s.heard[moment+" GET "+events], "\ndata: ")
	s.follow(moment, count, "events", "--since", "2000-01-01T00:00:00Z")
	s.follow(moment, count, "events", "--since", "2000-01-01T00:00:00Z", "-o", "json")
}

// follow takes down the first lines of a command that does not end by itself.
func (s *secretScene) follow(moment string, lines int, args ...string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), system.Patience)
	defer cancel()
	command := exec.CommandContext(ctx, system.Binary(s), append(args, "--url", s.agent.URL())...)
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		s.Fatal(err)
	}
	var said strings.Builder
	for scanner, n := bufio.NewReader(out), 0; n < lines; n++ {
		line, err := scanner.ReadString('\n')
		if err != nil {
			s.Fatalf("setpoint %s ended after %d of %d lines: %v", strings.Join(args, " "), n, lines, err)
		}
		said.WriteString(line)
	}
	cancel()
	_ = command.Wait() // it was killed
	s.heard[moment+" setpoint "+strings.Join(args, " ")] = said.String()
}

// askedAll fails the test when the API has a path to read from that is not among those that are listened to. Beside those, /metrics is,
// and /readyz here.
func (s *secretScene) askedAll(told []string) {
	s.Helper()
	var document struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal([]byte(s.get("/openapi.json")), &document); err != nil || len(document.Paths) == 0 {
		s.Fatalf("%d paths: %v", len(document.Paths), err)
	}
	known := []string{"/metrics", "/openapi.json", "/livez", "/readyz", base + "apps/{name}/releases", base + "apps/{name}/logs"}
	for _, path := range told {
		path, _, _ = strings.Cut(path, "?")
		if parts := strings.Split(path, "/"); len(parts) > 1 {
			parts[1] = "{name}"
			path = strings.Join(parts, "/")
		}
		known = append(known, base+path)
	}
	for path, methods := range document.Paths {
		if _, found := methods["get"]; found && !slices.Contains(known, path) {
			s.Errorf("nobody listens to GET %s", path)
		}
	}
	s.heard[fmt.Sprint(s.moment)+" GET /readyz"] = s.get("/readyz")
}

const base = "/api/v1alpha1/"

// get gives the body of an answer of the agent's.
func (s *secretScene) get(path string) string {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), system.Patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.agent.URL()+path, http.NoBody)
	if err != nil {
		s.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	return string(body)
}

// order does what a person does, and takes down the answer.
func (s *secretScene) order(args ...string) {
	s.Helper()
	out := s.agent.Setpoint(args...)
	if out.Code != 0 {
		s.Fatalf("setpoint %s: %s", strings.Join(args, " "), out)
	}
	s.heard[fmt.Sprint(s.moment)+" order "+strings.Join(args, " ")] = out.String()
}

// offline has a person render what was committed first, in a folder, with the key and with manifests of the Secrets; and with a template
// that fails.
func (s *secretScene) offline() {
	s.Helper()
	given := "apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: %s}\nstringData: {%s}\n---\n"
	cluster := writeFiles(s.T, "cluster", map[string]string{"given.yaml": fmt.Sprintf(given, "variables", s.ns, "TOKEN: "+variable) +
		fmt.Sprintf(given, "values", s.ns, "token: "+firstValue)})
	folder := writeFiles(s.T, "checkout", s.checkout)
	broken := maps.Clone(s.checkout)
	broken["values.yaml"] = "broken: true\n"
	failing := writeFiles(s.T, "failing", broken)
	for _, format := range []string{"-o=yaml", "-o=json", "-o=table", "--explain"} {
		for _, name := range []string{"shop", "web"} {
			args := []string{"render", folder, "--sync", name, "--objects", cluster, format}
			out := s.agent.Setpoint(args...)
			if out.Code != 0 {
				s.Errorf("setpoint %s: %s", strings.Join(args, " "), out)
			}
			s.heard["offline render "+name+" "+format] = out.String()
		}
	}
	s.heard["offline render that fails"] = s.agent.Setpoint("render", failing, "--sync", "web", "--objects", cluster).String()
	s.heard["offline diff"] = s.agent.Setpoint("diff", "--path", folder).String()
}
