package apps

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

func TestProcfile(t *testing.T) {
	got, err := parseProcfile("# comment\n\nweb: ./serve --name 'a b' \"c\" $PORT\nworker-2:  sh -c 'x | y'\r\n")
	if err != nil || strings.Join(got["web"], ",") != "./serve,--name,a b,c,$PORT" || strings.Join(got["worker-2"], ",") != "sh,-c,x | y" {
		t.Errorf("%q %v", got, err)
	}
	for text, saying := range map[string]string{
		"web ./serve":            "it is no line",
		"Web: x":                 "not the name of a process type",
		"pre: x":                 "not the name of a process type",
		"a: x\na: y":             "twice",
		"a: x | y":               "operator",
		"a: x && y":              "operator",
		"a: x > /dev/null":       "operator",
		"a: 'x":                  "never closed",
		"a:":                     "empty",
		"a: |":                   "operator",
		strings.Repeat("a\n", 2): "Procfile:1",
	} {
		if _, err := parseProcfile(text); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), saying) {
			t.Errorf("%q: %v, want %q", text, err, saying)
		}
	}
	if _, err := parseProcfile("a: x; y"); !strings.Contains(fault.HintOf(err), "sh -c") {
		t.Errorf("hint %q", fault.HintOf(err))
	}
}

func TestFormationOfAProcfile(t *testing.T) {
	procfile := map[string][]string{"web": {"a"}, "worker": {"b"}, "release": {"c"}}
	types, hook, err := formationOf(&blueprint{}, procfile)
	if err != nil || len(types) != 2 || len(hook) != 1 {
		t.Errorf("%v %v %v", types, hook, err)
	}
	types, _, err = formationOf(&blueprint{Processes: map[string]v1alpha1.Process{"web": {Port: 80}}}, procfile)
	if err != nil || len(types) != 1 || types["web"].Port != 80 || types["web"].Command[0] != "a" {
		t.Errorf("%v %v", types, err)
	}
	if _, _, err := formationOf(&blueprint{}, nil); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
		t.Errorf("nothing to run: %v", err)
	}
}

func TestURLsAreShownWithoutSecrets(t *testing.T) {
	env := map[string]string{"DB": "postgres://user:hunter2@db:5432/x?sslpassword=hunter2"}
	service, err := expandURL("$DB", env)
	if err != nil || shownURL(service) != "postgres://db:5432/x" {
		t.Errorf("%v %v", service, err)
	}
	for declared, saying := range map[string]string{"$NONE": "NONE", "x://user:hunter2@": "not the URL", "$DB\x00": "", "::": "not the URL"} {
		if _, err := expandURL(declared, env); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), saying) {
			t.Errorf("%q: %v", declared, err)
		}
	}
	if text := shownURL(&url.URL{Scheme: "http", Host: "h", User: url.UserPassword("u", "p"), RawQuery: "token=1"}); text != "http://h" {
		t.Error(text)
	}
}

func TestEnvironmentOrder(t *testing.T) {
	e := environment{plain: map[string]string{"A": "plain", "B": "plain", "C": "plain", "PORT": "1"}, secrets: map[string]string{"C": "secret"}}
	got := lines(e.of(map[string]string{"A": "base", "Z": "base"}, map[string]string{"B": "own", "C": "own"}))
	if !slices.Equal(got, []string{"A=plain", "B=own", "C=secret", "Z=base"}) {
		t.Errorf("%q", got)
	}
}

func TestBackOff(t *testing.T) {
	start := time.Unix(1000, 0)
	for crashes, want := range map[int]time.Duration{
		1: 0, 3: 0, 4: time.Second, 5: 2 * time.Second, 6: 4 * time.Second, 9: 32 * time.Second, 10: time.Minute, 1000: time.Minute,
	} {
		s := slot{Launch: 5, Crashed: 5, Crashes: crashes, Ended: start}
		if got := s.notBefore().Sub(start); got != want {
			t.Errorf("after %d: %v, want %v", crashes, got, want)
		}
	}
}

// A process that somebody kills once a minute is always started again at once; one that is killed more often is not.
func TestKilledOnceAMinute(t *testing.T) {
	for every, want := range map[time.Duration]time.Duration{time.Minute: 0, 10 * time.Second: lastWait} {
		s, wait := &slot{}, time.Duration(0)
		for at := time.Unix(1000, 0); at.Before(time.Unix(1000, 0).Add(time.Hour)); at = at.Add(every) {
			started := at.Add(wait + 100*time.Millisecond - every) // the one before was seen and replaced
			s.Launch++
			s.ended(supervise.Status{Ever: true, Started: started, Exit: &supervise.Exit{Time: at, Signal: "SIGKILL"}})
			wait = s.notBefore().Sub(at)
		}
		if wait != want {
			t.Errorf("killed every %s for an hour, it is started again after %s, want %s", every, wait, want)
		}
	}
}

func TestWhichReleaseIsWanted(t *testing.T) {
	plan := blueprint{Processes: map[string]v1alpha1.Process{"web": {}}}
	asked := func(build string) draft { return draft{build: build, config: "c", print: plan} }
	m := &memory{}
	step := func(build string, changed bool, want int) {
		t.Helper()
		m.takeOn(asked(build), changed, state.Revision{}, time.Time{})
		if m.Wanted != want {
			t.Errorf("build %s, changed %v: release %d is wanted, want %d", build, changed, m.Wanted, want)
		}
	}
	step("a", true, 1)
	step("a", false, 1)
	m.Active, m.Releases[0].State = 1, v1alpha1.ReleaseActive
	step("b", true, 2)
	m.Releases[1].State = v1alpha1.ReleaseFailed
	step("b", false, 2) // it has failed, and nothing has changed
	step("a", true, 1)  // back to what serves
	step("b", true, 3)  // a new attempt
	m.Rollback = 1
	step("c", false, 3) // a person's wish holds
	step("c", true, 4)
	if m.Rollback != 0 {
		t.Error("a new declaration does not end the rollback")
	}
}

func TestExposingRestartsNothing(t *testing.T) {
	p := v1alpha1.Process{Command: []string{"serve"}}
	exposed := p
	p.Default(false)
	exposed.Default(true)
	if a, b := runsWith(p), runsWith(exposed); !sameJSON(a, b) {
		t.Errorf("%+v and %+v", a, b)
	}
}

// An archive that has moved is the same build.
func TestDigests(t *testing.T) {
	one := blueprint{Env: map[string]string{"A": "1"}, Archive: &v1alpha1.Archive{URL: "https://a"}}
	two := one
	two.Archive = &v1alpha1.Archive{URL: "https://b"}
	if one.digest() != two.digest() {
		t.Error("the URL is in the digest")
	}
	two.Env = map[string]string{"A": "2"}
	if one.digest() == two.digest() {
		t.Error("a variable is not in the digest")
	}
}

// at is one row of TestDecide: what is there, and what is to be done.
type at struct {
	memory memory
	procs  []supervise.Status
	heal   bool
	want   string
}

func TestDecide(t *testing.T) {
	now := time.Unix(5000, 0)
	id := func(release, launch int) supervise.ProcessID {
		return supervise.ProcessID{App: "shop", Release: release, Type: "web", Index: 1, Launch: launch}
	}
	up := func(release, launch int) supervise.Status {
		return supervise.Status{ID: id(release, launch), Phase: supervise.Running, Healthy: true, Ever: true, Started: now.Add(-time.Hour)}
	}
	young := func(release, launch int) supervise.Status {
		return supervise.Status{ID: id(release, launch), Phase: supervise.Running, Started: now}
	}
	down := func(release, launch int, asked bool) supervise.Status {
		return supervise.Status{
			ID: id(release, launch), Phase: supervise.Exited, Asked: asked, Started: now.Add(-time.Second), Exit: &supervise.Exit{Time: now, Code: 1},
		}
	}
	build := func(number int, state string, port int, launch int) *release {
		r := &release{Number: number, State: state, Types: map[string]v1alpha1.Process{"web": {Command: []string{"x"}, Port: port}}}
		if launch > 0 {
			r.Slots = map[string]*slot{"web.1": {Launch: launch, Over: launch - 1}}
		}
		return r
	}
	pol := policy{Release: v1alpha1.ReleasePolicy{Timeout: v1alpha1.Duration(time.Minute), Keep: 5}}
	steady := func() memory {
		return memory{Active: 1, Wanted: 1, Last: 1, Policy: pol, Releases: []*release{build(1, v1alpha1.ReleaseActive, 0, 1)}}
	}
	taking := func(port, launch int, at stage) memory {
		return memory{
			Active: 1, Wanted: 2, Last: 2, Policy: pol, Take: &takeover{Release: 2, Stage: at, Since: now},
			Releases: []*release{build(1, v1alpha1.ReleaseActive, port, 1), build(2, v1alpha1.ReleasePending, port, launch)},
		}
	}
	for name, row := range map[string]at{
		"at rest":                     {steady(), []supervise.Status{up(1, 1)}, false, ""},
		"the record is ahead":         {steady(), nil, false, "start 1/1"},
		"a crash is left to the loop": {steady(), []supervise.Status{down(1, 1, false)}, false, ""},
		"a crash is mended":           {steady(), []supervise.Status{down(1, 1, false)}, true, "start 1/2, balance, forget 1/1"},
		"told to end, starts again":   {steady(), []supervise.Status{down(1, 1, true)}, false, "start 1/2, balance, forget 1/1"},
		"a stray is stopped":          {steady(), []supervise.Status{up(1, 1), up(7, 3)}, false, "stop 7/3"},
		"new beside old":              {taking(0, 0, stageStart), []supervise.Status{up(1, 1)}, false, "start 2/1"},
		"waits for the new":           {taking(0, 1, stageStart), []supervise.Status{up(1, 1), young(2, 1)}, false, ""},
		"the new is healthy":          {taking(0, 1, stageStart), []supervise.Status{up(1, 1), up(2, 1)}, false, "balance, stop 1/1"},
		"fixed ports: the old first":  {taking(80, 0, stageStart), []supervise.Status{up(1, 1)}, false, "stop 1/1"},
		"fixed ports: then the new":   {taking(80, 0, stageSwap), []supervise.Status{down(1, 1, true)}, false, "start 2/1, forget 1/1"},
	} {
		t.Run(name, func(t *testing.T) {
			f := facts{Memory: &row.memory, Processes: row.procs, Heal: row.heal, Told: true, Present: map[int]bool{}}
			for _, r := range row.memory.Releases {
				f.Present[r.Number] = true
			}
			f.Address = &supervise.AppStatus{App: supervise.App{Name: "shop", Release: 1}}
			row.memory.Policy.Listen, row.memory.Policy.Exposed = "127.0.0.1:1", "web"
			f.Address.Listen, f.Address.Backends = "127.0.0.1:1", []supervise.ProcessID{id(1, 1)}
			var got []string
			for _, a := range decide("shop", f, now).Actions {
				text := string(a.Do)
				if a.Process.App != "" {
					text += " " + itoa(a.Process.Release) + "/" + itoa(a.Process.Launch)
				}
				got = append(got, text)
			}
			if strings.Join(got, ", ") != row.want {
				t.Errorf("%q, want %q", strings.Join(got, ", "), row.want)
			}
		})
	}
}
