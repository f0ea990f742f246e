package git

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/go-git/go-git/v5/plumbing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// reference is what a source follows.
type reference struct {
	v1alpha1.GitRef
	constraint *semver.Constraints
}

// target is where a reference leads at the moment.
type target struct {
	commit plumbing.Hash
	ref    string        // for people: "main", "v1.2.3"
	tag    plumbing.Hash // the annotated tag that leads there; zero where there is none
}

func parseReference(r v1alpha1.GitRef) (reference, error) {
	set := 0
	for _, is := range []bool{r.Branch != "", r.Tag != "", r.Semver != "", r.Commit != "", r.PR != 0} {
		if is {
			set++
		}
	}
	invalid := func(field, cause string) (reference, error) {
		return reference{}, fault.New(fault.Invalid, "read", "git.ref"+field, cause)
	}
	switch {
	case set > 1:
		return invalid("", "only one of branch, tag, semver, commit and pr can be set")
	case r.Commit != "" && !plumbing.IsHash(r.Commit):
		return invalid(".commit", "it is not a commit's full name of 40 hexadecimal digits")
	case r.PR < 0:
		return invalid(".pr", "it is negative")
	case strings.ContainsAny(r.Branch+r.Tag, " \n\r\t\x00~^:?*[\\") || strings.Contains(r.Branch+r.Tag, ".."):
		return invalid("", "it is not a name that Git allows")
	}
	parsed := reference{GitRef: r}
	parsed.Branch = strings.TrimPrefix(r.Branch, "refs/heads/")
	parsed.Tag = strings.TrimPrefix(r.Tag, "refs/tags/")
	parsed.Commit = strings.ToLower(r.Commit)
	if r.Semver != "" {
		constraint, err := semver.NewConstraint(r.Semver)
		if err != nil {
			return reference{}, fault.New(fault.Invalid, "read", "git.ref.semver", fmt.Sprintf("%q is not a range of versions", r.Semver)).
				WithHint(`write it as ">=1.2 <2", "1.x" or "~1.4"`)
		}
		parsed.constraint = constraint
	}
	return parsed, nil
}

// String gives the reference for people; "" is the HEAD branch.
func (r reference) String() string {
	switch {
	case r.Branch != "":
		return r.Branch
	case r.Tag != "":
		return r.Tag
	case r.Semver != "":
		return r.Semver
	case r.Commit != "":
		return r.Commit
	case r.PR != 0:
		return "pr-" + strconv.Itoa(r.PR)
	}
	return ""
}

// key tells references apart that read the same.
func (r reference) key() string {
	return fmt.Sprintf("branch=%s tag=%s semver=%s commit=%s pr=%d", r.Branch, r.Tag, r.Semver, r.Commit, r.PR)
}

// names lists where the server may have a pull or merge request.
func (r reference) names() []string {
	switch {
	case r.Branch != "":
		return []string{"refs/heads/" + r.Branch}
	case r.Tag != "":
		return []string{"refs/tags/" + r.Tag}
	case r.PR != 0:
		n := strconv.Itoa(r.PR)
		return []string{"refs/pull/" + n + "/head", "refs/merge-requests/" + n + "/head", "refs/pull-requests/" + n + "/from"}
	}
	return []string{"HEAD"}
}

// prefixes says what to ask the server for.
func (r reference) prefixes() []string {
	if r.Semver != "" {
		return []string{"refs/tags/"}
	}
	return r.names()
}

// find picks the target out of what the server lists.
func (r reference) find(listed refs) (target, *fault.Error) {
	if r.Semver != "" {
		return r.findVersion(listed)
	}
	for _, name := range r.names() {
		commit, ok := listed.commit(name)
		if !ok {
			continue
		}
		shown := r.String()
		if shown == "" {
			shown = strings.TrimPrefix(listed.head, "refs/heads/")
		}
		if shown == "" {
			shown = "HEAD"
		}
		return target{commit, shown, listed.tag(name)}, nil
	}
	return target{}, fault.New(fault.NotFound, "", "", r.missing())
}

func (r reference) missing() string {
	switch {
	case r.Branch != "":
		return "there is no branch " + r.Branch
	case r.Tag != "":
		return "there is no tag " + r.Tag
	case r.PR != 0:
		return "there is no pull or merge request " + strconv.Itoa(r.PR)
	}
	return "the repository has no commit on its HEAD branch"
}

func (r reference) findVersion(listed refs) (target, *fault.Error) {
	var best *semver.Version
	var found target
	names := make([]string, 0, len(listed.names))
	for name := range listed.names {
		names = append(names, name)
	}
	slices.Sort(names) // two tags of one version: always the same wins
	for _, name := range names {
		tag, ok := strings.CutPrefix(name, "refs/tags/")
		if !ok {
			continue
		}
		v, err := semver.NewVersion(tag)
		if err != nil || !r.constraint.Check(v) || best != nil && !v.GreaterThan(best) {
			continue
		}
		commit, _ := listed.commit(name)
		best, found = v, target{commit, tag, listed.tag(name)}
	}
	if best == nil {
		return target{}, fault.New(fault.NotFound, "", "", fmt.Sprintf("no tag is a version in the range %q", r.Semver))
	}
	return found, nil
}
