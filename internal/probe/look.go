package probe

import (
	"context"
	"net"
	"net/http"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// maxHeader bounds the header of an answer, in bytes. Its body is not read at all.
const maxHeader = 64 << 10

// looker makes single looks. Every look makes a connection of its own: one that is kept says nothing about whether new ones are taken.
type looker struct {
	dialer net.Dialer
	client http.Client
}

// newLooker makes a looker that goes straight to where a check points: it follows no redirect, and uses no proxy of the environment.
func newLooker() *looker {
	l := &looker{}
	l.client = http.Client{
		Transport: &http.Transport{
			DialContext: l.dialer.DialContext, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return l
}

// look looks once, for as long as ctx lasts.
func (l *looker) look(ctx context.Context, check Check) state.Health {
	if check.URL != "" {
		return l.ask(ctx, check)
	}
	connection, err := l.dialer.DialContext(ctx, "tcp", check.Address)
	if err != nil {
		return failed(err, check)
	}
	_ = connection.Close()
	return state.Health{Status: state.Healthy}
}

func (l *looker) ask(ctx context.Context, check Check) state.Health {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, check.URL, http.NoBody)
	if err != nil || request.URL.Scheme != "http" && request.URL.Scheme != "https" {
		return degraded("InvalidURL", "its URL cannot be used")
	}
	request.Header.Set("User-Agent", "setpoint")
	response, err := l.client.Do(request)
	if err != nil {
		return failed(err, check)
	}
	_ = response.Body.Close()
	return answered(response.StatusCode, check)
}
