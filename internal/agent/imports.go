package agent

import (
	"errors"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/source"
)

// importing is one source that is mounted into that of a Sync.
type importing struct {
	at, path string
	spec     v1alpha1.SourceSpec
	shared   string // the Source that it names; "" for one that is declared in place
	confined bool   // declared by somebody who acts as a service account, and so without the agent's own logins
}

// feeding is one upstream that a member follows: its source, or an import.
type feeding struct {
	at, path string // of an import; empty for the source itself
	shared   string
	name     string // of the upstream, for people
	key      feedKey
	feed     *source.Subscription
}

// feedKey says whether a subscription still fits its declaration.
type feedKey struct {
	upstream string
	poll     source.Poll
}

// feed subscribes a member to its source and imports, where they are others than before.
func (a *Agent) feed(m *member, e effective, in *loop.Inputs) error {
	if !hasUpstream(e.source) {
		return nil
	}
	wanted := e.used()
	old, next := m.feeds, make([]feeding, 0, len(wanted))
	for _, one := range wanted {
		upstream, err := a.upstreams.of(demand{one.spec, e.verifications(), one.confined})
		if err != nil {
			closeFeeds(next, old)
			return importFault(one.at, err)
		}
		next = append(next, a.follow(m, one, upstream))
	}
	m.feeds = next
	closeFeeds(old, next)
	in.SourceName = next[0].name
	join := &joining{feeds: next}
	in.Latest, m.latest = join.latest, join.latest
	in.Refresh = func() { refresh(next) }
	return nil
}

// follow gives a member's subscription to an upstream: the one that it has, or a new one.
func (a *Agent) follow(m *member, one importing, upstream source.Upstream) feeding {
	key := feedKey{upstream: upstream.Key(), poll: source.Poll{
		Interval: time.Duration(one.spec.Interval), Timeout: time.Duration(one.spec.Timeout), Suspend: one.spec.Suspend,
	}}
	for _, known := range m.feeds {
		if known.at == one.at && known.key == key {
			known.path, known.shared = one.path, one.shared
			return known
		}
	}
	return feeding{
		at: one.at, path: one.path, shared: one.shared, name: upstream.String(), key: key,
		feed: a.feeds.Subscribe(upstream, key.poll, m.loop.Poke),
	}
}

// closeFeeds ends the subscriptions that are not among those that go on.
func closeFeeds(feeds, except []feeding) {
	for _, one := range feeds {
		kept := false
		for _, other := range except {
			kept = kept || other.feed == one.feed
		}
		if !kept {
			one.feed.Close()
		}
	}
}

func refresh(feeds []feeding) {
	for _, one := range feeds {
		one.feed.Refresh()
	}
}

// joining puts the artifacts of a source and its imports together. Safe for concurrent use.
type joining struct {
	feeds []feeding
	cache joined
}

// latest gives what is known of all of them as one: the artifact of the newest revisions, and the first error, which names its import.
func (j *joining) latest() loop.Latest {
	var whole loop.Latest
	var errs []error
	mounts := make([]source.Mounted, 0, len(j.feeds)-1)
	missing := false
	for i, one := range j.feeds {
		latest := one.feed.Latest()
		if latest.Err != nil {
			errs = append(errs, importFault(one.at, latest.Err))
		}
		missing = missing || latest.Artifact == nil
		if i == 0 {
			whole.Artifact, whole.CheckedAt = latest.Artifact, latest.CheckedAt
			continue
		}
		if latest.CheckedAt.Before(whole.CheckedAt) {
			whole.CheckedAt = latest.CheckedAt
		}
		mounts = append(mounts, source.Mounted{At: one.at, Path: one.path, Artifact: latest.Artifact, Name: one.name})
	}
	if missing {
		whole.Artifact = nil
	}
	if whole.Artifact != nil && len(mounts) > 0 {
		artifact, err := j.cache.mount(whole.Artifact, mounts)
		if err != nil {
			errs = append(errs, err)
		}
		whole.Artifact = artifact
	}
	whole.Err = errors.Join(errs...)
	return whole
}

// importFault names the import that an error is about.
func importFault(at string, err error) error {
	if at == "" || err == nil {
		return err
	}
	return fault.Wrap(fault.KindOf(err), "import", at, err)
}
