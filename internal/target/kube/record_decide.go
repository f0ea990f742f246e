package kube

import (
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// The status words of Helm that matter here.
const (
	statusDeployed     = "deployed"
	statusSuperseded   = "superseded"
	statusFailed       = "failed"
	statusUninstalled  = "uninstalled"
	statusUninstalling = "uninstalling"
	statusPending      = "pending-" // install, upgrade or rollback
)

// The labels of a record that are ours. Helm copies labels from one record to the next: which one they were written for is among them.
const (
	labelRecordOwner  = "setpoint.dev/owner"
	labelRecordDigest = "setpoint.dev/digest"
	labelRecordFor    = "setpoint.dev/record"
)

// record is what the labels say of a record, without its content.
type record struct {
	version int
	status  string
	at      time.Time // of the last change, as far as the labels say
	labels  map[string]string
}

// ours says whether a record was written by Setpoint, for whichever owner.
func (r record) ours() bool {
	return r.labels[labelRecordOwner] != "" && r.labels[labelRecordFor] == versionText(r.version)
}

// writtenFor says whether it was written for an owner.
func (r record) writtenFor(owner string) bool { return r.ours() && r.labels[labelRecordOwner] == owner }

// of says whether it was written for a desired state.
func (r record) of(digest state.Digest) bool {
	return r.ours() && r.labels[labelRecordDigest] == digestLabel(digest)
}

// busy says whether a helm command is at it.
func (r record) busy(now time.Time) bool {
	pending := strings.HasPrefix(r.status, statusPending) || r.status == statusUninstalling
	return pending && !r.ours() && now.Sub(r.at) < pendingFor
}

// customLabels are those that a person has given the release; Helm keeps them too.
func (r record) customLabels() map[string]string {
	custom := map[string]string{}
	for name, value := range r.labels {
		if !slices.Contains(recordLabels, name) {
			custom[name] = value
		}
	}
	return custom
}

var recordLabels = []string{
	"name", "owner", "status", "version", "createdAt", "modifiedAt", labelRecordOwner, labelRecordDigest, labelRecordFor,
}

// recordChange is what is to be done to the records of a release.
type recordChange struct {
	version    int // of the newest record afterwards
	write      bool
	from       record   // the record that is gone back to; the zero value for none
	superseded []record // are deployed no more
	excess     []record // are deleted
}

// decide says what is to be done; the records come newest first. Errors: Transient, Conflict.
func (r *records) decide(all []record, request RecordRequest, now time.Time) (recordChange, error) {
	status := statusDeployed
	if request.Failed != "" {
		status = statusFailed
	}
	change := recordChange{version: 1, write: true}
	if len(all) > 0 {
		newest := all[0]
		switch {
		case newest.busy(now):
			return change, fault.New(fault.Transient, "record release", r.item(), "a helm command is at it").
				WithHint("wait until it is done; one that was killed is waited for ten minutes")
		case newest.ours() && !newest.writtenFor(r.owner):
			return change, fault.New(fault.Conflict, "record release", r.item(), "it belongs to "+newest.labels[labelRecordOwner]).
				WithHint("give one of them another helm.release")
		}
		change.write = (newest.status != status || !newest.of(request.Digest)) && !toldBefore(all, request)
		change.version = newest.version
		if change.write {
			change.version++
		}
	}
	if change.write && (request.RolledBack || request.Release.Data == nil) {
		change.from = stateOf(all, request.Digest)
	}
	if status == statusDeployed {
		change.superseded = slices.DeleteFunc(slices.Clone(all), func(old record) bool {
			return old.status != statusDeployed || old.version == change.version
		})
	}
	change.excess = excess(all, change, request.Release.History)
	return change, nil
}

// toldBefore says whether there is nothing to tell of a failure that was gone back from since: it is on record, right before what was gone
// back to, or the history has no room for it.
func toldBefore(all []record, request RecordRequest) bool {
	if request.GoneBackTo == "" || all[0].status != statusDeployed || !all[0].of(request.GoneBackTo) {
		return false
	}
	return request.Release.History < 2 || len(all) > 1 && all[1].status == statusFailed && all[1].of(request.Digest)
}

// stateOf finds the newest record of a desired state, one that was deployed before one that failed.
func stateOf(all []record, digest state.Digest) record {
	var found record
	for _, old := range all {
		if old.of(digest) && (found.version == 0 || found.status == statusFailed && old.status != statusFailed) {
			found = old
		}
	}
	return found
}

// maxErased bounds how many records go at once: a history without a limit is shortened bit by bit.
const maxErased = 50

// excess are the oldest records beyond the length of the history. The one that is deployed stays, however old it is.
func excess(all []record, change recordChange, history int) []record {
	surplus := len(all) - history
	if change.write {
		surplus++
	}
	var old []record
	for _, one := range slices.Backward(all) {
		superseded := slices.ContainsFunc(change.superseded, func(s record) bool { return s.version == one.version })
		if len(old) < min(surplus, maxErased) && one.version != change.version && (one.status != statusDeployed || superseded) {
			old = append(old, one)
		}
	}
	return old
}
