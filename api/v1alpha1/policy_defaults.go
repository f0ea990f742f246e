package v1alpha1

import "time"

// The values that stand in for fields of health checks and windows that are left out.
const (
	DefaultProbeInterval = Duration(10 * time.Second)
	DefaultProbeTimeout  = Duration(5 * time.Second)
	DefaultTimeZone      = "UTC"
)

// Default fills in what was left out.
func (p *Policy) Default() {
	setDefault(&p.APIVersion, APIVersion)
	setDefault(&p.Kind, KindPolicy)
	p.Spec.setDefaults()
}

// setDefaults leaves Approval as it is: left out, it is that of the Syncs above.
func (c *Constraints) setDefaults() {
	for i := range c.Windows {
		setDefault(&c.Windows[i].TimeZone, DefaultTimeZone)
		setDefault(&c.Windows[i].Repairs, WindowAllow)
	}
	for i := range c.Rules {
		setDefault(&c.Rules[i].Outcome, GuardHold)
	}
	c.Verify.setDefaults()
}

func (h *HealthCheck) setDefaults() {
	if h.HTTP != nil {
		defaultLooks(&h.HTTP.Interval, &h.HTTP.Timeout)
	}
	if h.TCP != nil {
		defaultLooks(&h.TCP.Interval, &h.TCP.Timeout)
	}
	if h.Object != nil {
		h.Object.setDefaults()
	}
}

// defaultLooks keeps the timeout of one look within the interval between two, which may be shorter than the usual timeout.
func defaultLooks(interval, timeout *Duration) {
	setDefault(interval, DefaultProbeInterval)
	setDefault(timeout, min(DefaultProbeTimeout, *interval))
}
