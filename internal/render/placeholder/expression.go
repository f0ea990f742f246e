// Package placeholder puts values in the place of variables in the content of objects: ${NAME} and ${NAME:=default}. It is pure: what the
// variables stand for is given.
package placeholder

import (
	"regexp"
	"strings"
)

// Value is what a variable stands for.
type Value struct {
	Text string
	// Secret says that whatever it goes into is secret from then on.
	Secret bool
}

// Mark begins every variable: what is without it holds none.
const Mark = "${"

// variable is one ${NAME} or ${NAME:=default}.
type variable struct {
	name       string
	fallback   string
	hasDefault bool
	length     int // of all of it, in bytes
}

// form is all that a variable may look like. A default holds no braces: there is no variable in a default.
var form = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)(:=([^{}]*))?\}`)

// nested is a variable whose default holds another one, which nobody can have meant to stay as it is. One that is escaped is none.
var nested = regexp.MustCompile(`^\$\{[A-Za-z_][A-Za-z0-9_]*:=([^{}]*[^{}$])?\$\{[A-Za-z_][A-Za-z0-9_]*(:=[^{}]*)?\}`)

// at reads the variable that a text begins with.
func at(text string) (variable, bool) {
	found := form.FindStringSubmatchIndex(text)
	if found == nil {
		return variable{}, false
	}
	v := variable{name: text[found[2]:found[3]], length: found[1]}
	if found[4] >= 0 {
		v.hasDefault, v.fallback = true, text[found[6]:found[7]]
	}
	return v, true
}

// expansion is a text with its variables replaced.
type expansion struct {
	text   string
	secret bool
	whole  bool // the text was one variable and nothing else
	// What keeps it from being one.
	missing []string // names without a value, in their order
	nested  bool
	long    bool
}

// expand replaces the variables of a text, from left to right. What it puts in is not looked at again. The result has at most limit bytes.
func expand(text string, values map[string]Value, limit int) expansion {
	var e expansion
	var out strings.Builder
	for rest := text; ; {
		i := strings.IndexByte(rest, '$')
		if i < 0 {
			out.WriteString(rest)
			break
		}
		out.WriteString(rest[:i])
		rest = rest[i:]
		if escaped, ok := at(rest[1:]); ok { // $${NAME}
			out.WriteString(rest[1 : 1+escaped.length])
			rest = rest[1+escaped.length:]
			continue
		}
		v, ok := at(rest)
		if !ok {
			e.nested = e.nested || nested.MatchString(rest)
			out.WriteByte('$')
			rest = rest[1:]
			continue
		}
		value, known := values[v.name]
		switch {
		case !known && v.hasDefault:
			value = Value{Text: v.fallback}
		case !known:
			e.missing = append(e.missing, v.name)
		}
		if out.Len()+len(value.Text) > limit {
			e.long = true
			return e
		}
		out.WriteString(value.Text)
		e.secret = e.secret || value.Secret
		e.whole = v.length == len(text)
		rest = rest[v.length:]
	}
	e.text = out.String()
	return e
}

// Escape writes a text so that it comes out of substitution as it is.
func Escape(text string) string {
	var out strings.Builder
	for rest := text; ; {
		i := strings.Index(rest, Mark)
		if i < 0 {
			out.WriteString(rest)
			return out.String()
		}
		out.WriteString(rest[:i])
		rest = rest[i:]
		length := len(Mark)
		if v, ok := at(rest); ok {
			out.WriteByte('$')
			length = v.length
		}
		out.WriteString(rest[:length])
		rest = rest[length:]
	}
}
