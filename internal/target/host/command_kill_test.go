package host

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// beAgent applies one command and stays until it is killed.
func beAgent(dir, declaration string) {
	var content map[string]any
	if err := json.Unmarshal([]byte(declaration), &content); err != nil {
		panic(err)
	}
	program, err := filepath.Abs(os.Args[0])
	if err != nil {
		panic(err)
	}
	h, err := Open(context.Background(), Config{
		Dir: dir, Root: "/", Agent: shop.Agent, SecretKey: secretKey, Log: slog.New(slog.DiscardHandler),
		Program: program, Version: "test",
	})
	if err != nil {
		panic(err)
	}
	step := creating(state.NewObject(content, state.Origin{}))
	if err := h.Apply(context.Background(), shop, []plan.Step{step}, func(target.Result) {}); err != nil {
		panic(err)
	}
	select {}
}

// Agents are killed at random instants: before they have written anything down, before the command starts, while it runs, and after. Every
// command runs once all the same.
func TestKilledAgentsRunNothingTwice(t *testing.T) {
	dir := t.TempDir()
	program, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endSupervisor(t, SupervisorDir(dir)) })
	ran := filepath.Join(t.TempDir(), "ran")
	var all []*state.Object
	for i := range 12 {
		name := "c" + strconv.Itoa(i)
		one := command(name, "echo "+name+" >> "+ran+"; sleep 0.05")
		all = append(all, one)
		declaration, err := json.Marshal(one)
		if err != nil {
			t.Fatal(err)
		}
		agent := exec.Command(program, "as:agent", dir, string(declaration))
		if err := agent.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.IntN(250)) * time.Millisecond) // nothing is concluded from how long
		_ = agent.Process.Kill()
		_ = agent.Wait()
	}
	c := &commandHost{t: t, dir: dir}
	c.open()
	defer c.leave()
	for _, one := range all {
		c.carry(creating(one))
	}
	for _, one := range all {
		c.becomes(one, "Succeeded")
		if times := strings.Count(content(t, ran), one.ID().Name+"\n"); times != 1 {
			t.Errorf("%s ran %d times", one.ID(), times)
		}
	}
}
