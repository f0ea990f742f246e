package signature

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// maxLines bounds a file of allowed signers.
const maxLines = 10_000

// allowedSigner is a line of a file of allowed signers, see ssh-keygen(1).
type allowedSigner struct {
	principals string // patterns, with commas between
	key        ssh.PublicKey
	authority  bool      // the key signs certificates, not commits
	namespaces string    // patterns; "" for all
	after      time.Time // zero for always
	before     time.Time
}

// parseAllowedSigners reads such a file. A line that cannot be read is an error: it may be all that narrows who may sign.
func parseAllowedSigners(text string) ([]allowedSigner, error) {
	if err := tooLong("", "the file of allowed signers", len(text), maxKeys); err != nil {
		return nil, err
	}
	var signers []allowedSigner
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		signer, wrong := parseAllowedSigner(line)
		if wrong == "" && len(signers) == maxLines {
			wrong = fmt.Sprintf("there are more than %d signers", maxLines)
		}
		if wrong != "" {
			return nil, fault.Unverified("", fmt.Sprintf("line %d of the allowed signers: %s", number, wrong)).
				WithHint("want for example `me@example.com namespaces=\"git\" ssh-ed25519 AAAA…`, see ssh-keygen(1)")
		}
		signers = append(signers, signer)
	}
	return signers, nil
}

// parseAllowedSigner reads one line, and says what is wrong with it otherwise.
func parseAllowedSigner(line string) (signer allowedSigner, wrong string) {
	principals, rest, ok := cutPrincipals(line)
	if !ok {
		return signer, "there is no key on it"
	}
	if strings.HasPrefix(rest, "#") {
		return signer, "there is no key on it"
	}
	key, _, options, more, err := ssh.ParseAuthorizedKey([]byte(rest))
	if err != nil || len(more) > 0 {
		return signer, "its key or its options cannot be read"
	}
	if _, certificate := key.(*ssh.Certificate); certificate {
		return signer, "it has a certificate in the place of a key"
	}
	signer.principals, signer.key = principals, key
	seen := map[string]bool{}
	for _, option := range options {
		name, value, _ := strings.Cut(option, "=")
		name = strings.ToLower(name)
		if seen[name] {
			return signer, "the option " + shown(name) + " comes twice"
		}
		seen[name] = true
		if wrong := signer.option(name, value); wrong != "" {
			return signer, wrong
		}
	}
	if !signer.after.IsZero() && !signer.before.IsZero() && !signer.after.Before(signer.before) {
		return signer, "valid-after is not before valid-before"
	}
	return signer, ""
}

// cutPrincipals parts the first word, which may stand in quotes, from the rest.
func cutPrincipals(line string) (principals, rest string, ok bool) {
	if quoted, is := strings.CutPrefix(line, `"`); is {
		principals, rest, ok = strings.Cut(quoted, `"`)
	} else if i := strings.IndexAny(line, " \t"); i > 0 {
		principals, rest, ok = line[:i], line[i:], true
	}
	rest = strings.TrimLeft(rest, " \t")
	return principals, rest, ok && principals != "" && rest != ""
}

func (s *allowedSigner) option(name, value string) (wrong string) {
	if name == "cert-authority" && value == "" {
		s.authority = true
		return ""
	}
	text, quoted := strings.CutPrefix(value, `"`)
	text, closed := strings.CutSuffix(text, `"`)
	if !quoted || !closed || text == "" {
		return "the option " + shown(name) + " wants a value in quotes"
	}
	text = strings.ReplaceAll(text, `\"`, `"`)
	var err error
	switch name {
	case "namespaces":
		s.namespaces = text
	case "valid-after":
		s.after, err = parseTime(text)
	case "valid-before":
		s.before, err = parseTime(text)
	default:
		return "the option " + shown(name) + " is not known"
	}
	if err != nil {
		return "the time of " + name + " is not YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with or without Z"
	}
	return ""
}

// parseTime reads a time as ssh-keygen does: of this machine's time zone, unless a Z stands at its end.
func parseTime(text string) (time.Time, error) {
	zone := time.Local
	if rest, utc := strings.CutSuffix(strings.ToUpper(text), "Z"); utc {
		text, zone = rest, time.UTC
	}
	layout := "20060102150405"
	if len(text) == 8 || len(text) == 12 {
		layout = layout[:len(text)]
	}
	return time.ParseInLocation(layout, text, zone)
}

// valid says whether the line holds for signatures of a namespace at a time.
func (s *allowedSigner) valid(namespace string, at time.Time) (wrong string) {
	switch {
	case s.namespaces != "" && !matchList(s.namespaces, namespace):
		return "may not sign for Git: the allowed signers say namespaces=\"" + shown(s.namespaces) + "\""
	case !s.after.IsZero() && at.Before(s.after):
		return "was not allowed yet when it was signed"
	case !s.before.IsZero() && at.After(s.before):
		return "was not allowed any more when it was signed"
	}
	return ""
}

// matchList matches a name with patterns with commas between, as ssh_config(5) has them: one that begins with ! and matches wins.
func matchList(patterns, name string) bool {
	matched := false
	for pattern := range strings.SplitSeq(patterns, ",") {
		pattern, negated := strings.CutPrefix(pattern, "!")
		if pattern == "" || !match(pattern, name) {
			continue
		}
		if negated {
			return false
		}
		matched = true
	}
	return matched
}

// match matches a pattern in which * stands for any letters and ? for one. It goes back to the last * alone, so that no pattern is slow.
func match(pattern, name string) bool {
	p, n, star, from := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p, n = p+1, n+1
		case star >= 0:
			from++
			p, n = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
