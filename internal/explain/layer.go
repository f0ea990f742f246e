package explain

import (
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
)

// The bounds of a tree of kustomizations.
const (
	maxDepth  = 32
	maxLayers = 500
)

// layer is a kustomization with its components, which is built by itself, and what it is built of.
type layer struct {
	x        *explainer
	parts    []*kustomization // its own first
	children []maker          // in the order of its resources
	items    []item
	build    func(ctx context.Context, files map[string][]byte) []*made // with some files changed; nil on an error

	made    []*made
	left    map[int][]*made  // what is built without an item, by its index
	origins map[*made]parent // of its objects
}

// layer gives that of a directory.
func (x *explainer) layer(ctx context.Context, dir string, depth int) (*layer, error) {
	if known := x.layers[dir]; known != nil {
		return known, nil
	}
	if depth > maxDepth || len(x.layers) >= maxLayers {
		x.again.spent = true
		return nil, fault.New(fault.Invalid, "explain", dir, "there are too many kustomizations above one another")
	}
	request := x.again.request
	request.Path, request.How.Helm = dir, nil
	l, err := x.newLayer(dir, func(ctx context.Context, files map[string][]byte) []*made {
		request := request
		request.Artifact = x.changed(files)
		return x.again.try(ctx, "build of "+dir, request)
	})
	if err != nil {
		return nil, err
	}
	if l.made, err = x.again.run(ctx, request); err != nil {
		return nil, err
	}
	x.layers[dir] = l
	return l, l.gather(ctx, l.parts[0], depth)
}

// postRendered is the kustomization that a chart's objects go through.
func (x *explainer) postRendered(ctx context.Context, dir string) (*layer, error) {
	request := x.again.request
	l, err := x.newLayer(dir, func(ctx context.Context, files map[string][]byte) []*made {
		request := request
		request.Artifact = x.changed(files)
		return x.again.try(ctx, "post-rendering by "+dir, request)
	})
	if err != nil {
		return nil, err
	}
	if l.made, err = x.again.run(ctx, request); err != nil {
		return nil, err
	}
	l.children = append(l.children, x.chart())
	return l, l.gather(ctx, l.parts[0], 0)
}

func (x *explainer) newLayer(dir string, build func(context.Context, map[string][]byte) []*made) (*layer, error) {
	own := readKustomization(x.cfg.Files, dir)
	if own == nil {
		return nil, fault.New(fault.Invalid, "explain", dir, "its kustomization cannot be read")
	}
	return &layer{x: x, parts: []*kustomization{own}, build: build, left: map[int][]*made{}, origins: map[*made]parent{}}, nil
}

// changed is the artifact with some files changed.
func (x *explainer) changed(files map[string][]byte) source.Artifact {
	return overlaid{Artifact: x.again.request.Artifact, files: files}
}

// gather finds what a kustomization is built of: files, other layers, and components, which belong to the layer itself. What cannot be
// found is left out: what comes of it is told less exactly then.
func (l *layer) gather(ctx context.Context, k *kustomization, depth int) error {
	l.items = append(l.items, k.items(func(entry string) bool { _, found := l.stat(k, entry); return !found })...)
	for _, entry := range k.entries("resources", "bases") {
		info, found := l.stat(k, entry)
		at := path.Join(k.dir, entry)
		switch {
		case !found:
		case !info.IsDir():
			l.children = append(l.children, l.x.manifestsOf(at))
		default:
			child, err := l.x.layer(ctx, at, depth+1)
			if ctx.Err() != nil {
				return err
			}
			if child != nil {
				l.children = append(l.children, child)
			}
		}
	}
	for _, entry := range k.entries("components") {
		at := path.Join(k.dir, entry)
		part := readKustomization(l.x.cfg.Files, at)
		if part == nil || depth > maxDepth || slices.ContainsFunc(l.parts, func(known *kustomization) bool { return known.dir == at }) {
			continue
		}
		l.parts = append(l.parts, part)
		if err := l.gather(ctx, part, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// stat describes what an entry of a kustomization names, if that is in the artifact.
func (l *layer) stat(k *kustomization, entry string) (fs.FileInfo, bool) {
	at := path.Join(k.dir, entry)
	if strings.Contains(entry, "://") || !fs.ValidPath(at) {
		return nil, false
	}
	info, err := l.x.cfg.Files.Stat(at)
	return info, err == nil
}

func (l *layer) objects(context.Context) ([]*made, error) { return l.made, nil }

// because asks what an object was made of.
func (l *layer) because(ctx context.Context, object *made) []Place {
	if parent := l.parent(ctx, object); parent.object != nil {
		return parent.maker.because(ctx, parent.object)
	}
	return nil
}

// from names the deepest layer in which a field has its value already; in that layer, what the field is another without.
func (l *layer) from(ctx context.Context, object *made, path string) []Place {
	field, _ := object.get(path)
	parent := l.parent(ctx, object)
	if parent.object != nil && object.same(parent.object, path) {
		return parent.maker.from(ctx, parent.object, path)
	}
	at := spot{layer: l, object: object, field: field}
	var places []Place
	composed := true
	for _, i := range l.changing(ctx, object, field) {
		places = add(places, at.place(l.items[i]))
		composed = composed && l.items[i].composes()
	}
	if len(places) == 0 {
		places = at.stated(parent.object)
	}
	if len(places) == 0 {
		return []Place{l.x.place(Overlay, l.parts[0].file, 0, "")}
	}
	if composed && parent.object != nil && composes(parent.object, field) {
		places = add(places, parent.maker.from(ctx, parent.object, path)...)
	}
	return places
}

// composes says whether a text holds what the layer below has there: a name within a longer one, an image with another tag.
func composes(below *made, field leaf) bool {
	before, ok := below.get(field.path)
	old, isText := before.value.(string)
	now, isTextToo := field.value.(string)
	if !ok || !isText || !isTextToo || old == "" {
		return false
	}
	image, _, _ := strings.Cut(old, "@")
	if slash := strings.LastIndexByte(image, '/'); strings.Contains(image[slash+1:], ":") {
		image = image[:slash+1+strings.IndexByte(image[slash+1:], ':')]
	}
	return strings.Contains(now, old) || strings.HasPrefix(now, image+":") || strings.HasPrefix(now, image+"@")
}
