package apps

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// needs probes the backing services of one app. The zero pointer has none.
type needs struct {
	key  string // of what is probed, with which configuration
	stop context.CancelFunc

	mu   sync.Mutex
	said []string // by need: why it cannot be reached, "" when it can or nobody knows yet
}

func (n *needs) end() {
	if n != nil {
		n.stop()
	}
}

// worst gives the first that cannot be reached, with the reason; "" when all can.
func (n *needs) worst() string {
	if n == nil {
		return ""
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return cmp.Or(n.said...)
}

// note takes a result, and says whether it is new.
func (n *needs) note(index int, said string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.said[index]
	n.said[index] = said
	return before != said
}

// probe has the backing services probed that an app needs now, while it runs or is about to.
func (c *controller) probe(owner state.Owner, m *memory) {
	number := m.Active
	if m.Take != nil {
		number = m.Take.Release
	}
	r := m.release(number)
	wanted := r != nil && !m.Removing && len(m.Policy.Needs) > 0
	key := ""
	if wanted {
		key = string(state.DigestBytes((&memory{Policy: policy{Needs: m.Policy.Needs}}).encode())) + r.Config
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.needs != nil && c.needs.key == key || c.needs == nil && !wanted {
		return
	}
	c.needs.end()
	c.needs = nil
	if !wanted {
		return
	}
	ctx, stop := context.WithCancel(c.d.ctx)
	n := &needs{key: key, stop: stop, said: make([]string, len(m.Policy.Needs))}
	c.needs = n
	for i, need := range m.Policy.Needs {
		follow := func() {
			c.d.keepProbing(ctx, need, &probing{owner: owner, release: r, tell: func(said string) {
				if n.note(i, said) {
					c.d.changed(c.name)
				}
			}})
		}
		if !c.d.spawn(follow) {
			stop()
		}
	}
}

// probing is one need under probes.
type probing struct {
	owner   state.Owner
	release *release
	tell    func(said string)
}

func (d *Driver) keepProbing(ctx context.Context, need v1alpha1.Need, p *probing) {
	for {
		said := d.probeOnce(ctx, need, p)
		if ctx.Err() != nil {
			return
		}
		p.tell(said)
		if !pause(ctx, time.Duration(max(need.Interval, v1alpha1.Duration(firstWait)))) {
			return
		}
	}
}

// probeOnce says why a need cannot be reached, or "". No user and no password of its URL is in the text.
func (d *Driver) probeOnce(ctx context.Context, need v1alpha1.Need, p *probing) string {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(need.Timeout))
	defer cancel()
	env, err := d.resolve(ctx, p.owner, &p.release.Print)
	if err != nil {
		return err.Error()
	}
	service, err := expandURL(need.URL, env.of(nil, nil))
	if err != nil {
		return err.Error()
	}
	if err := d.reach(ctx, need.Check, service); err != nil {
		return shownURL(service) + " cannot be reached: " + plainCause(err).Error()
	}
	return ""
}

// expandURL puts variables into a URL. What it makes of it may be secret, so errors show the declared form.
func expandURL(declared string, env map[string]string) (*url.URL, error) {
	missing := ""
	text := os.Expand(declared, func(name string) string {
		if name == "$" {
			return "$"
		}
		value, set := env[name]
		if !set {
			missing = name
		}
		return value
	})
	if missing != "" {
		return nil, fault.New(fault.Invalid, "probe", declared, "the app has no variable "+missing)
	}
	service, err := url.Parse(strings.TrimSpace(text))
	if err != nil || service.Host == "" {
		return nil, fault.New(fault.Invalid, "probe", printable(withoutPassword(declared)), "it is not the URL of a service")
	}
	return service, nil
}

func withoutPassword(declared string) string {
	if at := strings.LastIndexByte(declared, '@'); at >= 0 {
		return "…" + declared[at:]
	}
	return declared
}

// ports are those of schemes that URLs are often written without.
var ports = map[string]string{
	"http": "80", "https": "443", "ws": "80", "wss": "443", "postgres": "5432", "postgresql": "5432", "mysql": "3306", "mariadb": "3306",
	"redis": "6379", "rediss": "6379", "valkey": "6379", "amqp": "5672", "amqps": "5671", "mongodb": "27017", "memcached": "11211",
	"smtp": "25", "smtps": "465", "ldap": "389", "ldaps": "636", "nats": "4222", "kafka": "9092",
}

func (d *Driver) reach(ctx context.Context, check string, service *url.URL) error {
	if check == v1alpha1.ProtocolHTTP {
		return d.reachHTTP(ctx, service)
	}
	port := cmp.Or(service.Port(), ports[service.Scheme])
	if port == "" {
		return errors.New("its URL names no port")
	}
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(service.Hostname(), port))
	if err != nil {
		return err
	}
	return connection.Close()
}

func (d *Driver) reachHTTP(ctx context.Context, service *url.URL) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, service.String(), http.NoBody)
	if err != nil {
		return errors.New("its URL cannot be used")
	}
	response, err := d.cfg.HTTP.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10) // so that the connection can be used again
	if response.StatusCode >= http.StatusInternalServerError {
		return errors.New("it answers " + response.Status)
	}
	return nil
}
