package agent

import (
	"context"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/kube"
)

// releasing tells the helm command what has become of the chart that a Sync renders. It never holds the Sync up: what cannot be recorded is
// logged, and tried again. Safe for concurrent use.
type releasing struct {
	agent *Agent
	name  string // of the Sync

	mu    sync.Mutex
	made  map[state.Digest]*render.Release // the last few, by the desired state that they are
	order []state.Digest
	last  *render.Release
	done  kube.RecordRequest   // what is on record
	next  []kube.RecordRequest // to be put on record, in their order; all of the same news
	busy  bool
}

const (
	keptReleases   = 4
	recordAttempts = 5
	recordPause    = 5 * time.Second // doubled after each attempt
	recordDeadline = 20 * time.Second
)

// rendered takes in what a render has made, before any of it is applied.
func (r *releasing) rendered(ctx context.Context, result render.Result, to v1alpha1.ToKubernetes) {
	r.mu.Lock()
	had := r.last != nil
	r.last = result.Release
	if result.Release != nil {
		r.keep(result.Objects.Digest(), result.Release)
	}
	r.mu.Unlock()
	if result.Release == nil && !had {
		return
	}
	cluster, err := r.cluster(ctx, to)
	if err != nil {
		return // whoever applies says why
	}
	release := render.Release{}
	if result.Release != nil {
		release = *result.Release
	}
	cluster.Continues(r.agent.owner(r.name), release.Namespace, release.Name)
}

// keep remembers a release. The caller holds the lock.
func (r *releasing) keep(digest state.Digest, release *render.Release) {
	if r.made == nil {
		r.made = map[state.Digest]*render.Release{}
	}
	if r.made[digest] == nil {
		r.order = append(r.order, digest)
	}
	r.made[digest] = release
	if len(r.order) > keptReleases {
		delete(r.made, r.order[0])
		r.order = r.order[1:]
	}
}

// published has what a Sync's news say put on record: that what is in force is as it should be, that it failed, or that another one failed
// and was left for it.
func (r *releasing) published(update loop.Update) {
	if !update.Resting || update.Rest.InForce == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	release := r.made[update.Rest.InForce]
	if release == nil && r.last != nil { // its record is there from an earlier run of the agent, or never was
		release = &render.Release{Name: r.last.Name, Namespace: r.last.Namespace, History: r.last.History}
	}
	if release == nil {
		return
	}
	request := r.request(release, update.Rest.InForce, update.Status.Applied)
	switch loop.State(update.Status.State) {
	case loop.InSync:
		r.record(request)
	case loop.RolledBack:
		request.RolledBack = true
		if failed := r.failed(update); failed != nil {
			r.record(*failed, request)
		} else {
			r.record(request)
		}
	case loop.Failed:
		inForce := update.Status.Applied.ID == update.Status.Revision.ID && update.Status.Objects.Total > 0
		if inForce && update.Status.Reason != loop.SourceFailed { // else no newer one could be had, which says nothing of this one
			request.Failed = update.Status.Message
			r.record(request)
		}
	default: // it is on its way to one of these, or waits for something
	}
}

func (r *releasing) request(release *render.Release, digest state.Digest, revision state.Revision) kube.RecordRequest {
	return kube.RecordRequest{
		Owner: r.agent.owner(r.name), Digest: digest, Revision: revision.Short(),
		Release: kube.ReleaseData{Name: release.Name, Namespace: release.Namespace, History: release.History, Data: release.Data},
	}
}

// failed says what was gone back from because it failed; nil when a person has left it. The caller holds the lock.
func (r *releasing) failed(update loop.Update) *kube.RecordRequest {
	away := update.Status.Quarantine
	if away == nil || away.By != "" {
		return nil
	}
	for _, bad := range update.Rest.Bad {
		if release := r.made[bad.Digest]; release != nil && bad.Revision.ID == away.Revision.ID {
			request := r.request(release, bad.Digest, bad.Revision)
			request.Failed, request.GoneBackTo = bad.Message, update.Rest.InForce
			return &request
		}
	}
	return nil
}

// record puts news on record, after what is on its way. The caller holds the lock.
func (r *releasing) record(news ...kube.RecordRequest) {
	if same(news[len(news)-1], r.done) && len(r.next) == 0 {
		return
	}
	r.next = news
	if !r.busy {
		r.busy = true
		r.agent.goDo(r.work)
	}
}

func same(a, b kube.RecordRequest) bool {
	return a.Digest == b.Digest && a.Failed == b.Failed && a.RolledBack == b.RolledBack &&
		a.Release.Name == b.Release.Name && a.Release.Namespace == b.Release.Namespace
}

// work records until nothing is left to be.
func (r *releasing) work() {
	for {
		r.mu.Lock()
		news := r.next
		r.next = nil
		r.busy = len(news) > 0
		r.mu.Unlock()
		if len(news) == 0 {
			return
		}
		for _, request := range news {
			r.tryAgain(request)
		}
	}
}

// tryAgain records, with a pause after each failure, until it works, something newer comes, or it has failed too often.
func (r *releasing) tryAgain(request kube.RecordRequest) {
	pause := recordPause
	for attempt := 1; ; attempt++ {
		err := r.write(request)
		r.mu.Lock()
		newer := len(r.next) > 0
		if err == nil {
			r.done = request
		}
		r.mu.Unlock()
		if err == nil || newer {
			return
		}
		if attempt == 1 {
			r.tell(request, err)
		}
		if attempt == recordAttempts || fault.KindOf(err) == fault.Invalid {
			return
		}
		select {
		case <-r.agent.ctx.Done():
			return
		case <-time.After(pause):
			pause *= 2
		}
	}
}

func (r *releasing) write(request kube.RecordRequest) error {
	ctx, cancel := context.WithTimeout(r.agent.ctx, recordDeadline)
	defer cancel()
	cluster, err := r.cluster(ctx, r.agent.resolve(r.name).to)
	if err != nil {
		return err
	}
	recorded, err := cluster.Record(ctx, request)
	if err == nil && recorded.Written {
		r.agent.log.Info("release recorded", "sync", r.name, "release", request.Release.Namespace+"/"+request.Release.Name,
			"version", recorded.Version, "left out", recorded.Left)
	}
	return err
}

// tell says that the helm command does not know what is in force.
func (r *releasing) tell(request kube.RecordRequest, err error) {
	r.agent.log.Warn("release not recorded", "sync", r.name, "error", err, "hint", fault.HintOf(err))
	r.agent.events.add(v1alpha1.Event{
		Time: time.Now(), Type: "warning", Sync: r.name, Reason: "ReleaseNotRecorded",
		Message: "the helm command does not see what is in force of " + request.Release.Namespace + "/" + request.Release.Name + ": " +
			err.Error(),
	})
}

// gone takes the records of a Sync away that owns nothing any more.
func (r *releasing) gone(e effective) {
	r.mu.Lock()
	last := r.last
	r.mu.Unlock()
	if last == nil || e.spec.Deletion == v1alpha1.DeletionOrphan {
		return
	}
	ctx, cancel := context.WithTimeout(r.agent.ctx, recordDeadline)
	defer cancel()
	cluster, err := r.cluster(ctx, e.to)
	if err == nil {
		_, err = cluster.RemoveRecords(ctx, r.agent.owner(r.name), last.Namespace, last.Name)
	}
	if err != nil {
		r.agent.log.Warn("records of a release stay behind", "sync", r.name, "release", last.Namespace+"/"+last.Name, "error", err)
	}
}

func (r *releasing) cluster(ctx context.Context, to v1alpha1.ToKubernetes) (*kube.Target, error) {
	system, err := r.agent.clusters.target(ctx, to)
	if err != nil {
		return nil, err
	}
	cluster, ok := system.(*kube.Target)
	if !ok {
		return nil, noCluster()
	}
	return cluster, nil
}
