package helm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Pull looks the version up in the index, and downloads its archive when it is another than known's.
func (u *upstream) Pull(ctx context.Context, known source.Artifact) (source.Artifact, source.Note, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, u.opts.Timeout)
	defer cancel()
	artifact, note, err := u.pull(ctx, known)
	if err != nil {
		return nil, source.Note{}, u.explain(ctx, err)
	}
	return artifact, note, nil
}

func (u *upstream) pull(ctx context.Context, known source.Artifact) (source.Artifact, source.Note, error) {
	demanded, err := u.demanded()
	if err != nil {
		return nil, source.Note{}, err
	}
	last := u.opts.Store.Last(demanded.place)
	if len(demanded.keys) > 0 && known != nil && (last == nil || last.Revision().ID != known.Revision().ID) {
		known = nil // it was signed by other keys
	}
	if err := u.connect(); err != nil {
		return nil, source.Note{}, err
	}
	in, err := u.opts.Indexes.get(ctx, u.repository, func(ctx context.Context, validators http.Header) (*http.Response, error) {
		return u.client.Get(ctx, u.at.index(), validators, maxIndex)
	})
	if err != nil {
		return nil, source.Note{}, err
	}
	found, err := u.find(in.index)
	switch {
	case err != nil:
		return nil, source.Note{}, err
	case known != nil && found.is(known.Revision()) && !packed.Damaged(known):
		return known, source.Note{}, nil
	case u.refused.err != nil && u.refused.version == found:
		return nil, source.Note{}, u.refused.err
	}
	artifact, err := u.download(ctx, download{version: found, from: in.answer, demanded: demanded})
	if err != nil {
		if kind := fault.KindOf(err); ctx.Err() == nil && kind == fault.Invalid && !errors.Is(err, fault.ErrUnverified) {
			u.refused.version, u.refused.err = found, u.explain(ctx, err)
		}
		return nil, source.Note{}, err
	}
	if known != nil && !packed.Damaged(known) && same(known, artifact) {
		return known, source.Note{}, nil // the index only says it in other words
	}
	return artifact, rewritten(cmp.Or(known, last), artifact.Revision()), nil
}

// find picks the version that the source follows.
func (u *upstream) find(x *index) (version, error) {
	all, there := x.charts[u.spec.Chart]
	found, ok := u.choice.of(all)
	if ok {
		return found, nil
	}
	missing := fault.New(fault.NotFound, "pull", u.String(), "the repository has no version of it that is in the range")
	missing.Hint = "it has " + newest(all) + ": check helm.version of the source"
	if u.choice.text == "" {
		missing.Err = errors.New("the repository has only pre-releases of it")
		missing.Hint = `write helm.version: ">0-0" to follow those too`
	}
	if !there || len(all) == 0 {
		missing.Err = errors.New("the repository has no such chart")
		missing.Hint = "check helm.chart of the source" + similar(u.spec.Chart, x)
	}
	if u.Last() != nil {
		missing.Hint = "it was there before: the last revision stays in force and nothing is deleted; " + missing.Hint
	}
	return version{}, missing
}

// maxListed bounds what a hint lists.
const maxListed = 3

func newest(all []version) string {
	names := make([]string, 0, maxListed)
	for _, one := range all[:min(len(all), maxListed)] {
		names = append(names, one.name)
	}
	text := strings.Join(names, ", ")
	if more := len(all) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func similar(name string, x *index) string {
	var near []string
	for _, other := range slices.Sorted(maps.Keys(x.charts)) {
		if fault.Misspelling(name, other) <= 2 && len(near) < maxListed && chartForm.MatchString(other) {
			near = append(near, other)
		}
	}
	if len(near) == 0 {
		return ""
	}
	return ": the repository has " + strings.Join(near, ", ")
}

// is says whether a revision is this version. Where the index gives no digest, its word that nothing was published anew is taken.
func (v version) is(r state.Revision) bool {
	if v.sum.given {
		return r.Ref == v.name && r.ID == v.sum.String()
	}
	return r.Ref == v.name && r.Time.Equal(v.created)
}

func same(a, b source.Artifact) bool {
	return a.Revision().ID == b.Revision().ID && a.Revision().Ref == b.Revision().Ref
}

// rewritten notes that a version was published again with another content.
func rewritten(before source.Artifact, now state.Revision) source.Note {
	if before == nil || before.Revision().Ref != now.Ref || before.Revision().ID == now.ID {
		return source.Note{}
	}
	return source.Note{Rewritten: true, From: before.Revision()}
}

// explain makes a fault of whatever went wrong. The same problem reads the same each time; the end of one's time is preferred to whatever
// broke because of it.
func (u *upstream) explain(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fault.New(fault.Transient, "pull", u.String(), "the server does not answer in time").
			WithHint("check that the server runs and can be reached from here; it is tried again by itself, at growing intervals")
	case ctx.Err() != nil:
		return fault.Wrap(fault.Transient, "pull", u.String(), ctx.Err())
	}
	known, ok := errors.AsType[*fault.Error](err)
	if ok && known.Op != "" {
		return err
	}
	kind := fault.KindOf(err)
	if !ok {
		kind = fault.Transient // of the network, or of the disk
	}
	return &fault.Error{Op: "pull", Item: u.String(), Kind: kind, Err: err, Hint: cmp.Or(fault.HintOf(err), "it is tried again by itself")}
}
