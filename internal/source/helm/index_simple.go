package helm

import (
	"bytes"
	"strings"
)

// simple reads the fields of an entry that are written as nearly all are: one line each, and the URLs as a list of lines. It gives what the
// YAML parser would, in a tenth of the time; ok is false for whatever it leaves to that.
func simple(text []byte) (e entry, ok bool) {
	fields := map[string]*string{
		"version": &e.Version, "appVersion": &e.AppVersion, "digest": &e.Digest, "created": &e.Created,
	}
	inURLs, seenURLs, dash := false, false, unknown
	for line := range bytes.Lines(text) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		body := bytes.TrimLeft(line, " ")
		indent := len(line) - len(body)
		if len(body) > 1 && isItem(body) {
			value, ok := plain(body[2:])
			if !ok || !inURLs || dash != unknown && indent != dash {
				return entry{}, false
			}
			dash = indent
			e.URLs = append(e.URLs, value)
			continue
		}
		key, rest, _ := bytes.Cut(line, []byte(":"))
		if inURLs = string(key) == "urls" && len(rest) == 0 && !seenURLs; inURLs {
			seenURLs = true
			continue
		}
		into := fields[string(key)]
		if into == nil || len(rest) < 2 || rest[0] != ' ' {
			return entry{}, false
		}
		if *into, ok = plain(rest[1:]); !ok {
			return entry{}, false
		}
		delete(fields, string(key)) // twice is an error
	}
	return e, true
}

// plain reads a scalar without anything that means something in YAML, in quotes or not.
func plain(text []byte) (string, bool) {
	last := len(text) - 1
	if last > 0 && (text[0] == '"' || text[0] == '\'') && text[last] == text[0] {
		inner := text[1:last]
		for _, c := range inner {
			if c == '\\' || c == text[0] || c < ' ' || c > '~' {
				return "", false
			}
		}
		return string(inner), true
	}
	if last < 0 || !isWord(text[0]) || text[last] == ':' {
		return "", false
	}
	for _, c := range text {
		if !isWord(c) && strings.IndexByte("._+-/:~%?=&@", c) < 0 {
			return "", false
		}
	}
	switch string(text) {
	case "null", "Null", "NULL":
		return "", false
	}
	return string(text), true
}

func isWord(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
