package system_test

import (
	"fmt"
	"strings"

	"github.com/setpoint-dev/setpoint/test/system"
)

// told are the paths of the API that give something to read, and shown the commands that look at an agent.
var (
	told = []string{
		"syncs", "syncs/shop", "syncs/web", "syncs/root", "syncs/shop/objects", "syncs/web/objects", "tree", "history?limit=1000", "agent",
		"apps", "events?since=2000-01-01T00:00:00Z",
	}
	shown = []string{
		"status", "status shop", "status web", "diff shop", "diff web", "history -n 100", "history shop -n 100", "history shop --deviation",
		"tree", "tree --why shop", "doctor",
	}
)

// eavesdrop takes down what the agent says at the moment.
func (s *secretScene) eavesdrop() {
	s.Helper()
	s.moment++
	s.agent.Eavesdrop(s.heard, fmt.Sprint(s.moment), told, shown)
}

// nothingHeard looks for each secret, in each way that it may be written, in all that was heard, in the log, in everything that the agent
// has on disk, and in what it keeps in the cluster for itself. Where it cannot find what is no secret, it would find no secret either.
func (s *secretScene) nothingHeard() {
	s.Helper()
	s.agent.Search(s.heard)
	for _, object := range s.plant.List(system.Path("v1", "configmaps", s.ns, "")) {
		if name := object.String("metadata", "name"); name != "banner" {
			s.heard["ConfigMap "+name] = system.JSON(s, map[string]any(object))
		}
	}
	for _, object := range s.plant.List(system.Path("v1", "events", s.ns, "")) {
		s.heard["Event "+object.String("metadata", "name")] = system.JSON(s, map[string]any(object))
	}
	secrets := []string{
		firstLogin, secondLogin, bannerText, firstDotenv, secondDotenv, refusedIP, variable, firstValue, secondValue, intruder,
		s.data("web", "random"), strings.TrimSpace(s.files["key.txt"]),
	}
	for _, secret := range secrets {
		if len(secret) < 8 {
			s.Fatalf("%q is too short to look for", secret)
		}
		for _, place := range s.heard.Tells(secret) {
			s.Errorf("%q is told: %s", secret, place)
		}
	}
	for place, harmless := range map[string]string{
		"log": "/login", "disk": "Change secrets", "1 GET syncs/shop/objects": "green", "2 setpoint diff shop": "colour",
		"2 setpoint diff shop -o json": "hmac:", "1 GET events": "Begin with secrets", "3 setpoint status shop": "Change secrets",
	} {
		if !s.heard.Holds(place, harmless) {
			s.Errorf("%s does not tell %q, so that this test may be deaf", place, harmless)
		}
	}
}
