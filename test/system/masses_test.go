package system_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/test/system"
)

const members = 8

// playMasses begins a scene with one Sync of eight ConfigMaps.
func playMasses(t *testing.T) *scene {
	t.Helper()
	files := onlySync("app", "path: app")
	for i := range members {
		files[memberFile("app", i)] = configMap(memberName(i), "one")
	}
	files["app/readme.md"] = "Here is the app.\n"
	s := play(t, files)
	s.agent.WaitInSync("root", "app")
	return s
}

func memberName(i int) string                { return fmt.Sprintf("member-%d", i) }
func memberFile(folder string, i int) string { return fmt.Sprintf("%s/member-%d.yaml", folder, i) }

// there counts the ConfigMaps of the app that are there.
func (s *scene) there() (count int) {
	s.Helper()
	for i := range members {
		if s.plant.Find(s.config(memberName(i))) != nil {
			count++
		}
	}
	return count
}

// keptAll fails the test unless everything is there still.
func (s *scene) keptAll() {
	s.Helper()
	if count := s.there(); count != members {
		s.Errorf("%d of %d objects are left", count, members)
	}
}

// quoted finds the commands that a message tells people to type.
var quoted = regexp.MustCompile("`setpoint ([^`]+)`")

// follow types the commands that a hint tells, word for word, and --yes where there is no person to ask.
func (s *scene) follow(hint string) {
	s.Helper()
	commands := quoted.FindAllStringSubmatch(hint, -1)
	if len(commands) == 0 {
		s.Fatalf("the hint tells no command: %s", hint)
	}
	for _, command := range commands {
		args := strings.Fields(command[1])
		if args[0] == "approve" {
			args = append(args, "--yes", "--comment", "it is meant")
		}
		out := s.agent.Setpoint(args...)
		s.Logf("setpoint %s: %s", strings.Join(args, " "), out)
		if want := map[string]int{"diff": 3, "approve": 0}[args[0]]; out.Code != want {
			s.Errorf("setpoint %s ends with %d, want %d", strings.Join(args, " "), out.Code, want)
		}
	}
}

// approved fails the test unless the history says who approved the plan that brought a revision.
func (s *scene) approved(name, revision, plan string) {
	s.Helper()
	for _, attempt := range s.agent.History(name) {
		if attempt.Revision.ID == revision && attempt.Approval != nil {
			a := attempt.Approval
			if a.By == "" || a.By == "unknown" || a.Digest != plan || a.Comment != "it is meant" || attempt.Outcome != "Succeeded" {
				s.Errorf("the history says %s of the approval, in an attempt that %s", system.JSON(s, a), attempt.Outcome)
			}
			if out := s.agent.Setpoint("history", name); !strings.Contains(out.Stdout, a.By) {
				s.Errorf("setpoint history does not say who approved: %s", out)
			}
			return
		}
	}
	s.Errorf("the history does not say who approved %s: %s", revision, system.JSON(s, s.agent.History(name)))
}

// TestFolderMoved: a commit that moves the folder of a Sync deletes nothing, whether something is left there or not; what the message
// says to do lets the same commit through.
func TestFolderMoved(t *testing.T) {
	s := playMasses(t)
	aside := s.repo.On("aside")
	aside.Rename("app", "moved", "Move the app")
	aside.Commit(map[string]string{"app/readme.md": "It has moved.\n"}, "Say so")
	s.repo.ForcePush(aside.Head())
	status := s.waitProblem("app", "Held", "EmptyRender", "nothing is deleted")
	s.keptAll()
	if status.Plan == nil || status.Plan.Changes["delete"] != members {
		t.Fatalf("the plan that is held is %s", system.JSON(t, status.Plan))
	}
	s.plant.Edit("somebody", s.config(memberName(0)), func(o system.Object) { o["data"] = map[string]any{"key": "drifted"} })
	system.Wait(t, "drift to be repaired while held", func() bool { return s.value(memberName(0), "key") == "one" })

	s.follow(status.Hint)
	s.agent.WaitInSync("app")
	if count := s.there(); count != 0 {
		t.Errorf("after the approval %d objects are left", count)
	}
	s.approved("app", s.repo.Head(), status.Plan.Digest)
}

func (s *scene) waitRevision(name string) {
	s.Helper()
	s.agent.Wait(name+" to see the newest commit", func() bool { return s.agent.Statuses()[name].Revision.ID == s.repo.Head() })
}

// TestFolderGone: a commit after which the folder is not there at all deletes nothing either.
func TestFolderGone(t *testing.T) {
	s := playMasses(t)
	s.repo.Rename("app", "moved", "Move the app, readme and all")
	status := s.waitProblem("app", "Held", "app")
	if status.Hint == "" {
		t.Error("nothing says what to do")
	}
	s.keptAll()
	s.repo.Rename("moved", "app", "Move it back")
	s.agent.WaitInSync("root", "app")
	s.keptAll()
}

// TestMassDeletion: a commit that leaves one object of eight is held; an approval is for exactly one plan, and void when that changes.
func TestMassDeletion(t *testing.T) {
	s := playMasses(t)
	var gone []string
	for i := 1; i < members; i++ {
		gone = append(gone, memberFile("app", i))
	}
	s.repo.Delete("Remove nearly all", gone...)
	first := s.waitProblem("app", "Held", "MassDeletion", "7 of its 8 objects would be deleted")
	s.keptAll()

	// The approval is given while the Sync is suspended, and the plan is another one when it goes on.
	s.must("suspend", "app")
	s.agent.WaitState("Suspended", "app")
	s.must("approve", "app", "--yes", "--plan", first.Plan.Digest[:12])
	s.commit("Bring one back", map[string]string{memberFile("app", 1): configMap(memberName(1), "one")})
	s.waitRevision("root")
	s.must("resume", "app")
	s.waitRevision("app")
	second := s.waitProblem("app", "Held", "MassDeletion", "6 of its 8 objects would be deleted")
	if p := second.Plan; p == nil || p.Digest == first.Plan.Digest || p.Void == nil || p.Void.Digest != first.Plan.Digest {
		t.Fatalf("the plan has changed from %s to %s, and the approval is not void", first.Plan.Digest, system.JSON(t, second.Plan))
	}
	if out := s.agent.Setpoint("approve", "app", "--yes", "--plan", first.Plan.Digest[:12]); out.Code == 0 {
		t.Errorf("a plan that has changed can be approved: %s", out)
	}
	s.agent.Kill() // what is held stays so
	s.agent.Start()
	s.waitRevision("app")
	second = s.waitProblem("app", "Held", "MassDeletion", "6 of its 8 objects would be deleted")
	s.keptAll()

	s.follow(second.Hint)
	s.agent.WaitInSync("app")
	if count := s.there(); count != 2 {
		t.Errorf("after the approval %d objects are left, want 2", count)
	}
	s.approved("app", s.repo.Head(), second.Plan.Digest)
}

// must runs a command that has to succeed.
func (s *scene) must(args ...string) {
	s.Helper()
	if out := s.agent.Setpoint(args...); out.Code != 0 {
		s.Fatalf("setpoint %s: %s", strings.Join(args, " "), out)
	}
}

// TestNamespaceWithContent: a Namespace with objects of others in it does not go without a person's word.
func TestNamespaceWithContent(t *testing.T) {
	s := prepare(t, map[string]string{})
	inner := s.plant.Namespace("inner")
	files := onlySync("app", "path: app")
	files["app/namespace.yaml"] = "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + inner + "}\n"
	for i := range members {
		files[memberFile("app", i)] = configMap(memberName(i), "one")
	}
	s.commit("Declare it", files)
	s.start()
	s.agent.WaitInSync("root", "app")
	theirs := system.Path("v1", "configmaps", inner, "theirs")
	s.plant.Apply("somebody", theirs, inNamespace(inner, "theirs", "one"))

	s.repo.Delete("Remove the namespace", "app/namespace.yaml")
	status := s.waitProblem("app", "Held", "MassDeletion", "Namespace/"+inner)
	s.waitRevision("app")
	namespace := s.plant.Get(system.Path("v1", "namespaces", "", inner))
	if s.plant.Find(theirs) == nil || namespace.Field("metadata", "deletionTimestamp") != nil {
		t.Fatal("the namespace goes without a word")
	}
	s.follow(status.Hint)
	s.plant.WaitGone(system.Path("v1", "namespaces", "", inner))
	s.agent.WaitInSync("app")
	s.keptAll()
	s.approved("app", s.repo.Head(), status.Plan.Digest)
}
