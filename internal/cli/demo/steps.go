package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// step is one thing to try.
type step struct {
	title string
	try   []string                    // what a person types
	act   func(context.Context) error // does the same
	seen  func(began time.Time) sight // its effect
	then  string                      // what it means
}

// steps are the tour.
func (s *stage) steps() []step {
	conf := filepath.Join(s.root(), "etc/shop/staging/shop.conf")
	return []step{
		{
			title: "Commit a change: a new release starts beside the old one, and takes over when it is healthy",
			try: []string{
				"cd " + s.repo(), "sed -i 's/Hello from staging/Good morning/' " + overlay("staging"), "git commit -qam 'Say good morning'",
			},
			act: func(context.Context) error {
				return s.edit(overlay("staging"), "Hello from staging", "Good morning", "Say good morning")
			},
			seen: func(time.Time) sight { return s.says("staging", "Good morning") },
			then: "no request failed meanwhile; `setpoint history app/staging-shop` lists the releases",
		},
		{
			title: "Edit a managed file by hand: it is put right at once, and explained",
			try:   []string{"echo 'color = red' >> " + conf, "cat " + conf},
			act:   func(context.Context) error { return appendLine(conf, "color = red") },
			seen:  func(began time.Time) sight { return s.repaired(began, "File", "/spec/content") },
		},
		{
			title: "Kill a process: it is started again, and the history knows what ended it",
			try:   []string{"kill -9 $(curl -s " + s.url("staging") + " | sed 's/.*pid //')"},
			act:   s.kill,
			seen:  func(began time.Time) sight { return s.repaired(began, "App", "/processes/web") },
		},
		{
			title: "Push a broken release: it does not take over, and the old one goes on serving",
			try: []string{
				"cd " + s.repo(), "sed -i 's/  env:/  env:\\n    BROKEN: \"yes\"/' " + overlay("staging"), "git commit -qam 'Break it'",
			},
			act: func(context.Context) error {
				return s.edit(overlay("staging"), "  env:", "  env:\n    BROKEN: \"yes\"", "Break it")
			},
			seen: func(time.Time) sight { return s.refused("staging") },
			then: "it is not tried again before something changes; `setpoint status staging` says why",
		},
		{
			title: "Mend it: the next commit goes through",
			try: []string{
				"cd " + s.repo(), "sed -i '/BROKEN/d; s/Good morning/Good evening/' " + overlay("staging"), "git commit -qam 'Mend it'",
			},
			act: func(context.Context) error {
				broken := "    BROKEN: \"yes\"\n    GREETING: Good morning"
				return s.edit(overlay("staging"), broken, "    GREETING: Good evening", "Mend it")
			},
			seen: func(time.Time) sight { return s.says("staging", "Good evening") },
		},
		{
			title: "Promote it: production gets what staging has shown to work",
			try: []string{
				"cd " + s.repo(), "sed -i 's/Hello from production/Good evening/' " + overlay("production"), "git commit -qam 'Promote it'",
			},
			act: func(context.Context) error {
				return s.edit(overlay("production"), "Hello from production", "Good evening", "Promote it")
			},
			seen: func(time.Time) sight { return s.says("production", "Good evening") },
		},
	}
}

// tour goes through all steps.
func (s *stage) tour(ctx context.Context) error {
	steps := s.steps()
	for i, step := range steps {
		if err := s.await(ctx, "nothing is on its way", s.settled); err != nil {
			return err
		}
		s.announce(i, step)
		began := time.Now()
		if err := step.act(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.title, err)
		}
		look := step.seen(began)
		if err := s.await(ctx, "it shows", look); err != nil {
			return fmt.Errorf("%s: %w", step.title, err)
		}
		s.report(ctx, step, look, time.Since(began))
	}
	s.Out.Line(s.Out.Paint(term.Good, "✓"), fmt.Sprintf(" all %d steps did what they said", len(steps)))
	return nil
}

// guide shows one step after another, each when the one before has been seen to work, until ctx ends.
func (s *stage) guide(ctx context.Context) error {
	s.Out.Line("Try this in another terminal; Ctrl-C ends everything and leaves nothing behind.")
	s.Out.Line()
	for i, step := range s.steps() {
		if _, err := s.watch(ctx, s.settled); err != nil {
			return err
		}
		s.announce(i, step)
		began := time.Now()
		look := step.seen(began)
		if _, err := s.watch(ctx, look); err != nil {
			return err
		}
		s.report(ctx, step, look, 0)
	}
	s.Out.Line("That was the tour. Everything goes on running until Ctrl-C.")
	<-ctx.Done()
	return nil
}

func (s *stage) announce(i int, step step) {
	s.Out.Line(s.Out.Paint(term.Bold, fmt.Sprintf("%d. %s", i+1, step.title)))
	for _, line := range step.try {
		s.Out.Line("     " + line)
	}
}

func (s *stage) report(ctx context.Context, step step, look sight, took time.Duration) {
	said, _ := look(ctx)
	for line := range strings.SplitSeq(said, "\n") {
		s.Out.Line("   ", s.Out.Paint(term.Dim, line))
	}
	done := "   " + s.Out.Paint(term.Good, "✓")
	if took > 0 {
		done += fmt.Sprintf(" seen after %.1f s", took.Seconds())
	}
	if step.then != "" {
		done += " " + step.then
	}
	s.Out.Line(done)
	s.Out.Line()
}

func appendLine(name, line string) error {
	file, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fault.Wrap(fault.NotFound, "edit", name, err)
	}
	defer file.Close()
	_, err = file.WriteString(line + "\n")
	return fault.Wrap(fault.Denied, "edit", name, err)
}

var pidIn = regexp.MustCompile(`pid (\d+)$`)

// kill ends the process that answers, which is one of the demonstration's own.
func (s *stage) kill(ctx context.Context) error {
	said, ok := s.answer(ctx, "staging")
	match := pidIn.FindStringSubmatch(said)
	if !ok || match == nil {
		return fault.New(fault.NotFound, "find", "a process of staging", said)
	}
	pid, err := strconv.Atoi(match[1])
	if err != nil || pid <= 1 {
		return fault.New(fault.Internal, "find", "a process of staging", said)
	}
	return fault.Wrap(fault.Denied, "kill", match[1], syscall.Kill(pid, syscall.SIGKILL))
}
