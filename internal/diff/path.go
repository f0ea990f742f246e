package diff

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Path leads to a value inside an object. It is written as a JSON pointer (RFC 6901) in which the items of associative lists
// are named by their keys, so that a path stays true when items are added or reordered:
//
//	/spec/replicas
//	/spec/template/spec/containers[name=web]/image
//	/spec/ports[port=80,protocol=TCP]/targetPort
//	/metadata/finalizers[=example.com/hold]         an item of a set, by its value
//	/spec/rules/0/host                              an item of any list, by its position
//	/spec/template/spec/containers[*]/resources     every item; "/*" means the same, and every field of an object
//
// In names "~0" is "~", "~1" is "/" and "~2" is "["; between brackets "/" stands for itself, and "~3" is "]", "~4" is ","
// and "~5" is "=".
type Path []Segment

// Segment is one step of a path: a field or position by Name ("*" for all), or an item of a list by Keys.
type Segment struct {
	Name string
	Keys []Key // when not empty, Name means nothing
}

// Key is one field of a list's item, with its value as text. The item of a set has one Key without a Name.
type Key struct{ Name, Value string }

// wildcard is the segment that matches every field or item.
const wildcard = "*"

// ParsePath reads a path; "" is the whole object.
func ParsePath(text string) (Path, error) {
	var path Path
	rest := text
	for rest != "" {
		if rest[0] != '/' {
			return nil, fmt.Errorf("path %q: want \"/\" before %q", text, rest)
		}
		rest = rest[1:]
		end := strings.IndexAny(rest, "/[")
		if end < 0 {
			end = len(rest)
		}
		name, err := unescape(rest[:end])
		if err != nil {
			return nil, fmt.Errorf("path %q: %w", text, err)
		}
		path, rest = append(path, Segment{Name: name}), rest[end:]
		for strings.HasPrefix(rest, "[") {
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return nil, fmt.Errorf("path %q: \"[\" is never closed", text)
			}
			segment, err := parseSelector(rest[1:end])
			if err != nil {
				return nil, fmt.Errorf("path %q: %w", text, err)
			}
			path, rest = append(path, segment), rest[end+1:]
		}
	}
	return path, nil
}

// parseSelector reads what stands between brackets: "*", or "name=value" separated by commas.
func parseSelector(text string) (Segment, error) {
	if text == wildcard {
		return Segment{Name: wildcard}, nil
	}
	var segment Segment
	for part := range strings.SplitSeq(text, ",") {
		name, value, found := strings.Cut(part, "=")
		if !found {
			return Segment{}, fmt.Errorf("want [name=value] or [*], have %q", "["+text+"]")
		}
		key := Key{}
		var err error
		if key.Name, err = unescape(name); err != nil {
			return Segment{}, err
		}
		if key.Value, err = unescape(value); err != nil {
			return Segment{}, err
		}
		segment.Keys = append(segment.Keys, key)
	}
	return segment, nil
}

// String writes the path as ParsePath reads it.
func (p Path) String() string {
	var b strings.Builder
	for _, segment := range p {
		segment.write(&b)
	}
	return b.String()
}

func (s Segment) write(b *strings.Builder) {
	if len(s.Keys) == 0 {
		b.WriteByte('/')
		b.WriteString(nameEscapes.Replace(s.Name))
		return
	}
	b.WriteByte('[')
	for i, key := range s.Keys {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strings.ReplaceAll(keyEscapes.Replace(key.Name), "=", "~5"))
		b.WriteByte('=')
		b.WriteString(keyEscapes.Replace(key.Value))
	}
	b.WriteByte(']')
}

// pattern writes the path with every item of a list as "*", for schema look-ups.
func (p Path) pattern() string {
	var b strings.Builder
	for _, segment := range p {
		if len(segment.Keys) > 0 {
			segment = Segment{Name: wildcard}
		}
		segment.write(&b)
	}
	return b.String()
}

// Child gives the path with one segment more; p is not changed, nor shared.
func (p Path) Child(segment Segment) Path {
	return append(slices.Clip(p), segment)
}

var (
	nameEscapes = strings.NewReplacer("~", "~0", "/", "~1", "[", "~2")
	keyEscapes  = strings.NewReplacer("~", "~0", "[", "~2", "]", "~3", ",", "~4")
)

const escaped = "~/[],="

func unescape(text string) (string, error) {
	if !strings.Contains(text, "~") {
		return text, nil
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '~' {
			b.WriteByte(text[i])
			continue
		}
		i++
		if i == len(text) || text[i] < '0' || text[i] >= '0'+byte(len(escaped)) {
			return "", fmt.Errorf("\"~\" in %q: want one of ~0 to ~%d", text, len(escaped)-1)
		}
		b.WriteByte(escaped[text[i]-'0'])
	}
	return b.String(), nil
}

// KeyText gives a value as it is written in a Key: strings as they are, everything else as JSON.
func KeyText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		return strconv.FormatBool(v)
	}
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(data)
}
