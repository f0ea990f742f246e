package v1alpha1

import (
	"encoding/base64"
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode"
)

func (f *File) violations() []violation {
	var c checks
	c.name(f.Metadata.Name)
	spec := &f.Spec
	c.hostPath("/spec/path", spec.Path)
	c.mode(spec.Mode)
	c.owners(spec.Owner, spec.Group)
	c.content(spec)
	c.word("/spec/deletion", spec.Deletion, DeletionRemove, DeletionRestore)
	if spec.Validate != nil {
		c.command("/spec/validate/command", spec.Validate.Command)
	}
	return c
}

func (d *Directory) violations() []violation {
	var c checks
	c.name(d.Metadata.Name)
	c.hostPath("/spec/path", d.Spec.Path)
	c.mode(d.Spec.Mode)
	c.owners(d.Spec.Owner, d.Spec.Group)
	c.word("/spec/deletion", d.Spec.Deletion, DeletionRemove, DeletionRestore)
	return c
}

func (l *Link) violations() []violation {
	var c checks
	c.name(l.Metadata.Name)
	c.hostPath("/spec/path", l.Spec.Path)
	if target := l.Spec.Target; strings.ContainsRune(target, 0) || len(target) > maxHostPath {
		c.add("/spec/target", "is not what a link can hold", fmt.Sprintf("want at most %d bytes, and no NUL among them", maxHostPath))
	}
	c.owners(l.Spec.Owner, l.Spec.Group)
	c.word("/spec/deletion", l.Spec.Deletion, DeletionRemove, DeletionRestore)
	return c
}

// content demands one way to say what is in a file.
func (c *checks) content(s *FileSpec) {
	c.oneOf("/spec", []choice{
		{"content", s.Content != ""}, {"contentBase64", s.ContentBase64 != ""},
		{"contentFrom", s.ContentFrom != nil}, {"template", s.Template != nil},
	})
	if _, err := base64.StdEncoding.DecodeString(s.ContentBase64); err != nil {
		c.add("/spec/contentBase64", "is not base64", "`base64 FILE` writes it; for text there is content")
	}
	if from := s.ContentFrom; from != nil {
		const at = "/spec/contentFrom"
		if c.oneOf(at, []choice{{"file", from.File != ""}, {"secret", from.Secret != nil}}) == 0 {
			c.add(at, "names no place to read from", "give it a file or a secret")
		}
		c.sourceFile(at+"/file", from.File)
		c.secret(at+"/secret", from.Secret)
	}
	if made := s.Template; made != nil {
		const at = "/spec/template"
		if c.oneOf(at, []choice{{"text", made.Text != ""}, {"file", made.File != ""}}) == 0 {
			c.add(at, "is empty", "give it a text or a file")
		}
		c.sourceFile(at+"/file", made.File)
		c.secrets(at+"/secrets", made.Secrets)
	}
}

// choice is a field that excludes others, and whether it is given.
type choice struct {
	field string
	given bool
}

// oneOf reports every field that is given beside an earlier one, and counts those that are.
func (c *checks) oneOf(at string, choices []choice) int {
	var names, given []string
	for _, one := range choices {
		names = append(names, one.field)
	}
	for _, one := range choices {
		if !one.given {
			continue
		}
		if given = append(given, one.field); len(given) > 1 {
			c.add(at+"/"+one.field, "cannot stand beside "+given[0], "keep one of "+listed(names))
		}
	}
	return len(given)
}

// hostPath demands a place on the host that has but one name, so that two declarations of it are seen to be the same.
func (c *checks) hostPath(at, p string) {
	clean := path.Clean("/" + p)
	quoted := strconv.Quote(p)
	switch {
	case p == "": // left out
	case strings.ContainsFunc(p, unicode.IsControl):
		c.add(at, quoted+" holds a control character", "")
	case strings.HasPrefix(p, "~"):
		c.add(at, quoted+" begins in somebody's home directory", "write the whole path, from / on")
	case p[0] != '/':
		c.add(at, quoted+" is not absolute", "write "+clean)
	case clean == "/":
		c.add(at, quoted+" is the root of the host", "name something below it")
	case strings.Contains(p+"/", "/../"):
		c.add(at, quoted+" may not go up with ..", "write "+clean)
	case clean != p:
		c.add(at, quoted+" is not in its shortest form", "write "+clean)
	case tooLong(p):
		c.add(at, "is longer than Linux allows", fmt.Sprintf("%d bytes in all, %d in one name", maxHostPath, maxHostName))
	}
}

func tooLong(p string) bool {
	for name := range strings.SplitSeq(p, "/") {
		if len(name) > maxHostName {
			return true
		}
	}
	return len(p) > maxHostPath
}

// sourceFile checks the form of a reference into the source's revision; where it leads is for the renderer to see, which knows where it
// is written.
func (c *checks) sourceFile(at, p string) {
	quoted := strconv.Quote(p)
	switch {
	case p == "": // left out
	case strings.ContainsFunc(p, unicode.IsControl):
		c.add(at, quoted+" holds a control character", "")
	case strings.HasPrefix(p, "~"), strings.Contains(p, "://"):
		c.add(at, quoted+" is not in the source", "want a path relative to this file, or from the root of the source with a / in front")
	case p[0] == '/' && strings.Contains(p+"/", "/../"):
		c.add(at, quoted+" may not go up with ..", "write it from the root of the source, or relative to this file")
	}
}

func (c *checks) mode(mode string) {
	if mode != "" && !formMode.MatchString(mode) {
		c.add("/spec/mode", fmt.Sprintf("%q is not a mode in octal digits", mode), `want for example "0644"`)
	}
}

func (c *checks) owners(user, group string) {
	c.user("/spec/owner", user, "the name or number of a user")
	c.user("/spec/group", group, "the name or number of a group")
}

func (c *checks) user(at, user, want string) {
	c.form(at, user, formUser, want)
	if number, err := strconv.ParseUint(user, 10, 64); err == nil && number > uint64(maxUserID) {
		c.add(at, "is greater than any user's number", "")
	}
}

// command demands a program; nil is one left out.
func (c *checks) command(at string, words []string) {
	if words == nil {
		return
	}
	if len(words) == 0 || words[0] == "" {
		c.add(at, "names no program", `want a list of words: ["./serve", "--verbose"]; there is no shell`)
		return
	}
	for i, word := range words {
		if strings.ContainsRune(word, 0) {
			c.add(at+"/"+strconv.Itoa(i), "holds a NUL character", "")
		}
	}
}

func (c *checks) secrets(at string, secrets map[string]ValueFrom) {
	for _, name := range sorted(secrets) {
		from := secrets[name]
		c.secret(at+"/"+escape.Replace(name), &from)
	}
}

// secret demands one place on the host. The agent's own settings, its credentials among them, are no such place: whoever may write
// objects could read them.
func (c *checks) secret(at string, from *ValueFrom) {
	switch {
	case from == nil:
	case (from.Env == "") == (from.File == ""):
		c.add(at, "wants exactly one of env and file", "")
	case from.Env != "":
		c.variable(at+"/env", from.Env)
	default:
		c.hostPath(at+"/file", from.File)
	}
}

// variable demands the name of an environment variable that is not the agent's own.
func (c *checks) variable(at, name string) {
	switch {
	case !formVariable.MatchString(name):
		c.add(at, fmt.Sprintf("%q is not the name of an environment variable", name), "want letters, digits and _, and no digit in front")
	case strings.HasPrefix(name, "SETPOINT_"):
		c.add(at, name+" is the agent's own", "choose another name: its settings and credentials are not for objects")
	}
}
