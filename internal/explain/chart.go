package explain

import (
	"context"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/render"
)

// chart is one whose templates make objects of values.
type chart struct {
	x       *explainer
	how     v1alpha1.Helm
	made    []*made
	effects []effect // of the values, when they have been found out
	tried   bool
}

// effect is what is another when one value is another.
type effect struct {
	value  Place
	gone   map[*made]bool            // objects that are not there then
	fields map[*made]map[string]bool // and fields that are others, by their paths
}

func (x *explainer) chart() *chart {
	c := &chart{x: x}
	if how := x.cfg.Request.How.Helm; how != nil {
		c.how = *how
	}
	if c.how.Chart == "" {
		c.how.Chart = x.cfg.Request.Path
	}
	c.how.PostRender = ""
	return c
}

// request is one for the chart's objects as its templates make them, with other values.
func (c *chart) request(values map[string]any) render.Request {
	request := c.x.again.request
	how := c.how
	how.Values, how.SkipSchema, how.Record = values, true, new(bool)
	request.How.Helm = &how
	return request
}

func (c *chart) objects(ctx context.Context) ([]*made, error) {
	var err error
	if c.made == nil {
		c.made, err = c.x.again.run(ctx, c.request(c.how.Values))
	}
	return c.made, err
}

// from names the template, and the values that the field is another with.
func (c *chart) from(ctx context.Context, object *made, path string) []Place {
	places := []Place{c.template(object)}
	for _, effect := range c.of(ctx) {
		if effect.fields[object][path] {
			places = add(places, effect.value)
		}
	}
	return places
}

func (c *chart) because(ctx context.Context, object *made) []Place {
	var places []Place
	for _, effect := range c.of(ctx) {
		if effect.gone[object] {
			places = add(places, effect.value)
		}
	}
	return places
}

func (c *chart) template(object *made) Place {
	origin := object.object.Origin()
	return c.x.place(Template, c.x.unaliased(c.how.Chart, origin.File), origin.Line, "")
}

// of finds out what each value does, once.
func (c *chart) of(ctx context.Context) []effect {
	if c.tried {
		return c.effects
	}
	c.tried = true
	if _, err := c.objects(ctx); err != nil {
		return nil
	}
	values := c.x.values(ctx, c.how)
	p := perturbation{chart: c, values: values, merged: merged(values)}
	c.effects = p.all(ctx)
	return c.effects
}
