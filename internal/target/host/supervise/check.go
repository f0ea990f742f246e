package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
)

// A probe is one check of one process. Its answer is "" or the failure, in words that stay the same for the same failure.
type probe struct {
	check   Check
	address string // host:port
	launch  Launch
	marks   []string
	reaper  *reaper
}

// run carries the check out within its timeout.
func (p probe) run(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, p.check.Timeout)
	defer cancel()
	switch {
	case p.check.HTTP != "":
		return p.http(ctx)
	case p.check.TCP:
		return p.tcp(ctx)
	default:
		return p.command(ctx)
	}
}

// checkClient asks without keeping connections, which a process that is being stopped would have to wait for, and without following
// redirects, which may lead anywhere.
var checkClient = &http.Client{
	Transport: &http.Transport{
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 1 << 16, Proxy: nil,
	},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (p probe) http(ctx context.Context) string {
	what := "GET " + p.check.HTTP
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+p.check.HTTP, http.NoBody)
	if err != nil {
		return what + ": not a path"
	}
	request.Host = "localhost"
	request.Header.Set("User-Agent", "setpoint")
	response, err := checkClient.Do(request)
	if err != nil {
		return what + ": " + p.failure(err)
	}
	_, _ = io.CopyN(io.Discard, response.Body, 1<<12)
	_ = response.Body.Close()
	if response.StatusCode >= 200 && response.StatusCode < 400 {
		return ""
	}
	return fmt.Sprintf("%s: %d", what, response.StatusCode)
}

func (p probe) tcp(ctx context.Context) string {
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp", p.address)
	if err != nil {
		return "connect: " + p.failure(err)
	}
	_ = connection.Close()
	return ""
}

// failure leaves addresses and ports out of an error, because those of the other side differ each time.
func (p probe) failure(err error) string {
	var number syscall.Errno
	var timeout net.Error
	switch {
	case errors.As(err, &number):
		return number.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer within " + p.check.Timeout.String()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed without an answer"
	}
	return "the answer is not HTTP"
}

// command runs a check's command as the process runs: same user, environment and directory, in a group of its own.
func (p probe) command(ctx context.Context) string {
	launch := p.launch
	launch.Command = p.check.Command
	ready, err := prepare(launch, p.marks...)
	if err != nil {
		return "check: " + err.Error()
	}
	nothing, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return "check: " + reason(err).Error()
	}
	defer nothing.Close()
	launch.Memory, launch.CPU = 0, 0 // those are the process's own
	c, err := p.reaper.spawn(launch, ready, []*os.File{nothing, nothing, nothing}, nil)
	if err != nil {
		return "check: " + err.Error()
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		p.reaper.signalGroup(c, syscall.SIGKILL)
		<-c.done
		return fmt.Sprintf("check %s: not done within %s", p.check.Command[0], p.check.Timeout)
	}
	switch {
	case c.signal != 0:
		return fmt.Sprintf("check %s: killed by %s", p.check.Command[0], signalName(c.signal))
	case c.code != 0:
		return fmt.Sprintf("check %s: exited with code %d", p.check.Command[0], c.code)
	}
	return ""
}

// plain says that a process counts as healthy by running alone.
func (c Check) plain() bool { return c.HTTP == "" && !c.TCP && len(c.Command) == 0 }
