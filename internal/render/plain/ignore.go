package plain

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// IgnoreFile names what is not meant for Setpoint, in the directory where it lies and below, in the syntax of .gitignore.
const IgnoreFile = ".setpointignore"

// maxStars bounds how many "**" a pattern may have: each multiplies the ways to compare it.
const maxStars = 3

// rule is one line of an IgnoreFile.
type rule struct {
	base     string // the directory that it speaks of
	keep     bool   // the line began with "!"
	dirs     bool   // it ended with "/": only directories
	segments []string
}

// parseRules reads an IgnoreFile.
func parseRules(data []byte, base string) (rules []rule, errs []error) {
	number := 0
	for line := range bytes.Lines(data) {
		number++
		text := strings.TrimRight(string(line), " \t\r\n")
		if text == "" || text[0] == '#' {
			continue
		}
		one := rule{base: base}
		if one.keep = text[0] == '!'; one.keep {
			text = text[1:]
		}
		text = strings.TrimPrefix(text, `\`) // before a "#" or "!" that is meant
		one.dirs = strings.HasSuffix(text, "/")
		text = strings.TrimSuffix(text, "/")
		anchored := strings.Contains(text, "/")
		one.segments = strings.Split(strings.TrimPrefix(text, "/"), "/")
		if !anchored {
			one.segments = append([]string{"**"}, one.segments...)
		}
		if _, err := path.Match(strings.ReplaceAll(text, "/", ""), ""); err != nil || text == "" || strings.Count(text, "**") > maxStars {
			at := fmt.Sprintf("%s:%d", path.Join(base, IgnoreFile), number)
			errs = append(errs, fault.New(fault.Invalid, "read", at, fmt.Sprintf("%q is not a pattern", text)).
				WithHint("the syntax is that of .gitignore: *, ?, [a-z], **, ! to keep, / at the end for directories"))
			continue
		}
		rules = append(rules, one)
	}
	return rules, errs
}

// ignored says whether the last rule that speaks of a path leaves it out.
func ignored(rules []rule, name string, dir bool) bool {
	for _, one := range slices.Backward(rules) {
		inside := name
		if one.base != "." {
			inside = strings.TrimPrefix(name, one.base+"/")
		}
		if (dir || !one.dirs) && matches(one.segments, strings.Split(inside, "/")) {
			return !one.keep
		}
	}
	return false
}

// matches compares a pattern with a path, segment by segment; "**" stands for any number of them.
func matches(pattern, name []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			if len(pattern) == 1 {
				return len(name) > 0
			}
			for skip := range len(name) + 1 {
				if matches(pattern[1:], name[skip:]) {
					return true
				}
			}
			return false
		}
		if len(name) == 0 {
			return false
		}
		if ok, err := path.Match(pattern[0], name[0]); err != nil || !ok {
			return false
		}
		pattern, name = pattern[1:], name[1:]
	}
	return len(name) == 0
}
