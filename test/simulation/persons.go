package main

import (
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// What people do by command, as opposed to what they declare.

func (w *world) personAsks() { w.anyone().request() }

func (m *member) request() {
	if m.loop != nil {
		m.known.excused, m.known.wished = true, true
		m.asked++
		m.world.refresh()
		m.loop.Request()
	}
}

func (w *world) personSuspends() {
	m := w.anyone()
	m.declared.suspend = !m.declared.suspend
	m.declared.byPerson = m.declared.suspend && w.random.IntN(2) == 0
	m.configure()
}

// personApproves is consent to a plan that is held: to the one that is held now, or to one that is not.
func (w *world) personApproves() {
	for _, m := range w.members {
		if held := m.status.Plan; held != nil {
			m.declared.approval = &v1alpha1.Approval{Digest: held.Digest, By: "a person", Time: w.wall()}
			if w.random.IntN(4) == 0 {
				m.declared.approval.Digest = "of another plan"
			}
			m.configure()
		}
	}
}

func (w *world) personGoesBack() {
	m := w.anyone()
	if m.loop == nil {
		return
	}
	good, err := m.loop.RollBack("", "a person", "")
	if err == nil {
		m.known.excused = true
		m.asked++
		m.past.chosen = good.Digest
	}
	m.say("back to %s: %v", good.Revision.Message, err)
}

// personOverrides lets changes through for a while, or ends that.
func (w *world) personOverrides() {
	m := w.anyone()
	m.declared.override = &v1alpha1.WindowOverride{Until: w.wall().Add(w.span(time.Hour)), By: "a person"}
	if w.random.IntN(3) == 0 {
		m.declared.override = nil
	}
	m.configure()
}
