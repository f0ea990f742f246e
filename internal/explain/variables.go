package explain

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render/placeholder"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// variables says where the value of each variable comes from, later over earlier: the environment, ConfigMaps and Secrets, what the Sync
// declares.
func (x *explainer) variables(ctx context.Context) map[string]Place {
	how := x.cfg.Request.How.Substitute
	if how == nil {
		return nil
	}
	places := map[string]Place{}
	for _, name := range how.Environment {
		places[name] = Place{Kind: Variable, Detail: name + " of the environment"}
	}
	for _, from := range how.From {
		kind, name := "ConfigMap", from.ConfigMap
		if from.Secret != nil {
			kind, name = "Secret", from.Secret
		}
		object, err := x.outside(ctx, kind, name)
		if err != nil {
			continue // it is optional, or rendering would have failed
		}
		for key := range textsOf(object) {
			places[key] = Place{Kind: Variable, Detail: key + " of " + object.ID().String()}
		}
	}
	for name := range how.Values {
		places[name] = x.sync("/spec/substitute/values"+state.Pointer(name), Place{Kind: Variable, Detail: name})
	}
	return places
}

// outside gives a ConfigMap or Secret.
func (x *explainer) outside(ctx context.Context, kind string, name *v1alpha1.ObjectName) (*state.Object, error) {
	if name == nil || x.cfg.Request.Outside.Values == nil {
		return nil, fault.New(fault.NotFound, "read", kind, "nothing can be asked for it")
	}
	id := state.ID{Kind: kind, Namespace: cmp.Or(name.Namespace, x.cfg.Request.Namespace, "default"), Name: name.Name}
	return x.cfg.Request.Outside.Values.Object(ctx, id)
}

// sync completes a place by where the Sync that is rendered declares something; without one it stays as it is.
func (x *explainer) sync(pointer string, place Place) Place {
	declared := x.cfg.Sync
	if declared.Object == nil {
		return place
	}
	place.Detail += " of Sync " + declared.Object.ID().Name
	origin := declared.Object.Origin()
	if written := declaredAt(documentsIn(declared.Files, origin.File), origin); written != nil && written.doc.Has(pointer) {
		place.File, place.Line = origin.File, written.doc.Line(pointer)
		return placeIn(declared.Files, place)
	}
	return place
}

// variable is one in a text: what is escaped is none. See package placeholder.
var variable = regexp.MustCompile(`\$?\$\{([A-Za-z_][A-Za-z0-9_]*)(:=[^{}]*)?\}`)

// used gives the places of the variables that have made a field what it is: those in its text, and in the keys that lead to it.
func used(p pair, written leaf, final string) []Place {
	if p.object.Annotation(v1alpha1.AnnotationSubstitute) == "disabled" || p.variables == nil {
		return nil
	}
	text, _ := written.value.(string)
	if written.pointer != final {
		text += "\n" + written.pointer
	}
	if !strings.Contains(text, placeholder.Mark) {
		return nil
	}
	var places []Place
	for _, match := range variable.FindAllStringSubmatch(text, -1) {
		if strings.HasPrefix(match[0], "$$") {
			continue
		}
		place, known := p.variables[match[1]]
		if !known {
			place = Place{Kind: Variable, Detail: match[1] + ", by its default"}
		}
		places = add(places, place)
	}
	return places
}

// pointers gives for each field the pointer that it had before variables were replaced in keys.
func (x *explainer) pointers(p pair) map[string]string {
	found := matching{}
	found.match(p.object.Content(), p.written.object.Content(), "", "")
	return found
}

// matching gives the pointers that fields had before by those that they have now.
type matching map[string]string

func (m matching) match(final, written any, now, before string) {
	switch v := final.(type) {
	case map[string]any:
		fields, _ := written.(map[string]any)
		for name, value := range v {
			old, ok := keyBefore(name, fields, v)
			if ok {
				m.match(value, fields[old], now+state.Pointer(name), before+state.Pointer(old))
			}
		}
		if len(v) > 0 {
			return
		}
	case []any:
		items, _ := written.([]any)
		for i, value := range v {
			if i < len(items) {
				token := "/" + strconv.Itoa(i)
				m.match(value, items[i], now+token, before+token)
			}
		}
		if len(v) > 0 {
			return
		}
	}
	m[now] = before
}

// keyBefore gives the key as it was written, when only one can have become this one.
func keyBefore(name string, written, final map[string]any) (string, bool) {
	if _, same := written[name]; same {
		return name, true
	}
	var fitting []string
	for key := range written {
		if _, stays := final[key]; stays || !strings.Contains(key, placeholder.Mark) {
			continue
		}
		parts := variable.Split(key, -1)
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		if ok, err := regexp.MatchString("^"+strings.Join(parts, "(?s:.*)")+"$", name); ok && err == nil {
			fitting = append(fitting, key)
		}
	}
	slices.Sort(fitting)
	if len(fitting) != 1 {
		return "", false
	}
	return fitting[0], true
}
