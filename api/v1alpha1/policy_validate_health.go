package v1alpha1

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"github.com/setpoint-dev/setpoint/internal/expression"
)

// health demands exactly one way to tell how something is doing.
func (c *checks) health(s *Sync, h *HealthCheck, at string) {
	asked := h.firstExpression()
	given := c.oneOf(at, []choice{
		{cmp.Or(asked, "healthy"), asked != ""}, {"http", h.HTTP != nil}, {"tcp", h.TCP != nil}, {"object", h.Object != nil},
	})
	switch {
	case given == 0:
		c.add(at, "says nothing about health", "give it expressions (healthy, progressing, failed) for a kind, or http, tcp or object")
	case asked != "":
		c.expressions(h, at)
	default:
		c.selectsNothing(h, at)
	}
	if h.HTTP != nil {
		c.http(h.HTTP, at+"/http")
	}
	if h.TCP != nil {
		c.tcp(h.TCP, at+"/tcp")
	}
	if h.Object != nil {
		c.dependency(s, *h.Object, at+"/object")
	}
}

// firstExpression names an expression that is given, "" when none is.
func (h *HealthCheck) firstExpression() string {
	switch {
	case h.Healthy != "":
		return "healthy"
	case h.Progressing != "":
		return "progressing"
	case h.Failed != "":
		return "failed"
	}
	return ""
}

func (c *checks) expressions(h *HealthCheck, at string) {
	if h.Kind == "" {
		c.add(at+"/kind", "is missing", "name the kind of the objects that the expressions are about")
	}
	c.pattern(at+"/group", h.Group, groups)
	c.pattern(at+"/kind", h.Kind, kinds)
	c.pattern(at+"/namespace", h.Namespace, namespaces)
	c.pattern(at+"/name", h.Name, objects)
	c.compiled(at+"/healthy", h.Healthy, expression.Health)
	c.compiled(at+"/progressing", h.Progressing, expression.Health)
	c.compiled(at+"/failed", h.Failed, expression.Health)
}

// selectsNothing refuses selectors where there is no expression to ask of what they select.
func (c *checks) selectsNothing(h *HealthCheck, at string) {
	for _, selector := range []choice{
		{"group", h.Group != ""}, {"kind", h.Kind != ""}, {"namespace", h.Namespace != ""}, {"name", h.Name != ""},
	} {
		if selector.given {
			c.add(at+"/"+selector.field, "selects objects, and no expression is asked of them",
				"remove it, or write it in a check of its own with healthy, progressing or failed")
		}
	}
}

// http never shows the URL: it may hold a password.
func (c *checks) http(h *HTTPCheck, at string) {
	parsed, err := url.Parse(h.URL)
	switch {
	case h.URL == "":
		c.add(at+"/url", "is missing", "")
	case err == nil && parsed.User != nil:
		c.add(at+"/url", "holds credentials", "take them out: the agent asks without any")
	case err != nil || !formLook.MatchString(h.URL) || parsed.Port() != "" && !isPort(parsed.Port()):
		c.add(at+"/url", "is not a URL that can be asked", "want for example https://shop.example.com/healthz")
	}
	if h.Status != 0 && (h.Status < minStatus || h.Status > maxStatus) {
		c.add(at+"/status", fmt.Sprintf("must be from %d to %d", minStatus, maxStatus), "")
	}
	c.looks(h.Interval, h.Timeout, at)
}

func (c *checks) tcp(t *TCPCheck, at string) {
	_, port, err := net.SplitHostPort(t.Address)
	switch {
	case t.Address == "":
		c.add(at+"/address", "is missing", "")
	case err != nil || !formAddress.MatchString(t.Address) || !isPort(port):
		c.add(at+"/address", fmt.Sprintf("%q is not host:port", t.Address), `want for example "db.example.com:5432" or "[::1]:5432"`)
	}
	c.looks(t.Interval, t.Timeout, at)
}

func isPort(text string) bool {
	port, err := strconv.Atoi(text)
	return err == nil && port > 0 && port <= maxPort
}

// looks bounds how often something is looked at and how long that may take: one look is over before the next begins.
func (c *checks) looks(interval, timeout Duration, at string) {
	between := cmp.Or(interval, DefaultProbeInterval)
	switch {
	case between < MinInterval:
		c.add(at+"/interval", "must be at least "+shortest(MinInterval), "")
	case timeout > between:
		c.add(at+"/timeout", "is longer than the interval of "+shortest(between), "make interval longer, or timeout shorter")
	case timeout > maxLook:
		c.add(at+"/timeout", "may be at most "+shortest(maxLook), "")
	}
}
