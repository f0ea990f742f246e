package kube

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// ReleaseData is a release of a chart, as the renderer has made it.
type ReleaseData struct {
	Name      string
	Namespace string
	// History is the number of records to keep; 0 is the default.
	History int
	// Data is a release in Helm's JSON form without version, and without info but for its notes. nil stands for the data of the newest
	// record of the same desired state. It is secret.
	Data []byte
}

// RecordRequest says what became of a release of an owner.
type RecordRequest struct {
	Owner   state.Owner
	Release ReleaseData
	// Digest of the desired state that the release is.
	Digest state.Digest
	// Revision of the source, for people.
	Revision string
	// RolledBack says that it was gone back to.
	RolledBack bool
	// Failed is why it failed; "" when it is deployed.
	Failed string
	// GoneBackTo is the desired state that was gone back to from one that failed; "" while that one is in force.
	GoneBackTo state.Digest
}

// Recorded is what is on record of a release.
type Recorded struct {
	// Version is that of the newest record, 1 for the first.
	Version int
	// Written is false when the record was there already.
	Written bool
	// Left are the parts of the release that its record has no room for, such as "the chart's files".
	Left []string
}

const (
	recordTries = 3                // when others write records at the same time
	pendingFor  = 10 * time.Minute // how long an operation of the helm command may take
)

// releaseName is what Helm takes for the name of a release.
var releaseName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

const maxReleaseName = 53

// Record puts a release on record as the helm command does, in Secrets of the release's namespace, as the acting identity. When the
// newest record says the same already, nothing is written, for one request. A history that helm has begun is continued. It touches
// nothing but these records, the new one first, so that a crash in between leaves nothing that the next call does not put right.
//
// Errors: Transient while helm itself is at the release; Conflict when it is another owner's; Denied, which names the right that is
// lacking; Invalid when it cannot be recorded at all; NotFound when the namespace is missing, or for a release without Data of which
// there is no record.
func (t *Target) Record(ctx context.Context, request RecordRequest) (Recorded, error) {
	request.Release.History = cmp.Or(max(request.Release.History, 0), v1alpha1.DefaultHelmHistory)
	records, err := t.recordsOf(request.Owner, request.Release.Namespace, request.Release.Name)
	if err != nil {
		return Recorded{}, err
	}
	for try := 1; ; try++ {
		recorded, err := records.write(ctx, request)
		if try < recordTries && (apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err)) {
			continue
		}
		return recorded, records.explain("record", err)
	}
}

// RemoveRecords deletes all records of a release whose Sync has gone, as helm uninstall does, and says how many: also those that
// helm had written before. When the newest one is not the owner's, somebody else goes on with the release, and all of them stay.
// Errors as those of Record.
func (t *Target) RemoveRecords(ctx context.Context, owner state.Owner, namespace, name string) (removed int, err error) {
	records, err := t.recordsOf(owner, namespace, name)
	if err != nil {
		return 0, err
	}
	all, err := records.list(ctx)
	if err != nil || len(all) == 0 || !all[0].writtenFor(records.owner) {
		return 0, records.explain("remove", err)
	}
	for _, old := range slices.Backward(all) { // the newest last: it says whose they are
		if err := records.erase(ctx, old); err != nil {
			return removed, records.explain("remove", err)
		}
		removed++
	}
	return removed, nil
}

// recordsOf gives the records of a release. Errors: Invalid.
func (t *Target) recordsOf(who state.Owner, namespace, name string) (*records, error) {
	item := namespace + "/" + name
	if !releaseName.MatchString(name) || len(name) > maxReleaseName || !objectName.MatchString(namespace) {
		return nil, fault.New(fault.Invalid, "record release", item, "helm does not take this name").
			WithHint("give the release another name: at most " + strconv.Itoa(maxReleaseName) + " small letters, digits, dashes and dots")
	}
	return &records{target: t, who: who, owner: ownerLabel(who), namespace: namespace, name: name}, nil
}

// write makes the records say what the request says.
func (r *records) write(ctx context.Context, request RecordRequest) (Recorded, error) {
	all, err := r.list(ctx)
	if err != nil {
		return Recorded{}, err
	}
	change, err := r.decide(all, request, time.Now())
	if err != nil {
		return Recorded{}, err
	}
	recorded := Recorded{Version: change.version, Written: change.write}
	if change.write {
		if recorded.Left, err = r.add(ctx, all, change, request); err != nil {
			return Recorded{}, err
		}
	}
	for _, old := range change.superseded {
		if err := r.supersede(ctx, old); err != nil {
			return recorded, err
		}
	}
	for _, old := range change.excess {
		if err := r.erase(ctx, old); err != nil {
			return recorded, err
		}
	}
	return recorded, nil
}

// add writes the new record.
func (r *records) add(ctx context.Context, all []record, change recordChange, request RecordRequest) (left []string, err error) {
	made := newRelease{request: request, version: change.version, now: time.Now().UTC(), rolledBackTo: change.from.version}
	made.content, err = r.content(ctx, change, request)
	if err != nil {
		return nil, err
	}
	if len(all) > 0 {
		made.custom = all[0].customLabels()
		made.continues = all[0].status != statusUninstalled
		if before, err := r.read(ctx, all[0]); err == nil {
			made.firstDeployed = before.content.info()["first_deployed"]
		} // else it is of no use to helm either
	}
	text, left, err := made.encode()
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "record release", r.item(), err)
	}
	return left, r.create(ctx, made, text)
}

// content gives what a new record holds beside what is said of it.
func (r *records) content(ctx context.Context, change recordChange, request RecordRequest) (releaseContent, error) {
	if request.Release.Data != nil {
		content, err := parseRelease(request.Release.Data)
		return content, fault.Wrap(fault.Internal, "record release", r.item(), err)
	}
	if change.from.version == 0 {
		return nil, fault.New(fault.NotFound, "record release", r.item(), "there is no record of this state any more").
			WithHint("raise helm.history to keep more of them")
	}
	before, err := r.read(ctx, change.from)
	return before.content, err
}
