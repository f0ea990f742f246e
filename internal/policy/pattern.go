package policy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// Matches says whether a text is of a pattern, in which "*" stands for any run of characters, "/" among them. It takes at most the
// product of both lengths.
func Matches(pattern, text string) bool {
	star, from := -1, 0 // the last star, and what it stands for up to now
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && pattern[p] == text[t]:
			p, t = p+1, t+1
		case star >= 0:
			from++
			p, t = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// matchesAny says whether one of the patterns matches.
func matchesAny(patterns []string, text string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return Matches(pattern, text) })
}

// matchesKind says whether an object is of a pattern for kinds: "Service" of the core group, "apps/Deployment", "apps/*", "*" for all.
func matchesKind(pattern string, id state.ID) bool {
	group, kind, found := strings.Cut(pattern, "/")
	if !found {
		return pattern == "*" || id.Group == "" && Matches(pattern, id.Kind)
	}
	return Matches(group, id.Group) && Matches(kind, id.Kind)
}

// kindOf gives an object's kind as patterns name it.
func kindOf(id state.ID) string {
	if id.Group == "" {
		return id.Kind
	}
	return id.Group + "/" + id.Kind
}

// listing gives the first few of some texts, and how many more there are.
func listing(all []string) string {
	const shown = 3
	if more := len(all) - shown; more > 0 {
		return strings.Join(all[:shown], ", ") + " and " + strconv.Itoa(more) + " more"
	}
	return strings.Join(all, ", ")
}

func quoted(text string) string { return strconv.Quote(text) }
