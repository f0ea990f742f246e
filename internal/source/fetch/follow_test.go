package fetch

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// What a file names is followed as a redirect would be.
func TestFollowIsGuardedAsARedirect(t *testing.T) {
	shown := map[string]string{}
	serve := func() *httptest.Server {
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			shown[r.URL.Path] = r.Header.Get("Authorization")
		}))
		t.Cleanup(server.Close)
		return server
	}
	public, private := serve(), serve()
	at, err := url.Parse(private.URL)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		to      string
		private bool // the server of the file
		kind    fault.Kind
	}{
		"own":             {to: public.URL + "/own"},
		"own inside":      {to: public.URL + "/inside", private: true},
		"another in HTTP": {to: private.URL + "/other", private: true, kind: fault.Denied},
		"private":         {to: strings.Replace(private.URL, "http:", "https:", 1) + "/private", kind: fault.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			bounds := defaultBounds
			bounds.private = func(_ string, port uint16) bool { return c.private || port == portOf(at.Port()) }
			client, err := newClient(Options{Insecure: true, Username: "me", Password: "s3cret"}, bounds)
			if err != nil {
				t.Fatal(err)
			}
			file, err := client.Get(t.Context(), public.URL+"/file", nil, 100)
			if err != nil {
				t.Fatal(err)
			}
			_ = file.Body.Close()
			answer, err := client.Follow(t.Context(), file, c.to, 100)
			if fault.KindOf(err) != c.kind {
				t.Fatalf("got %v of kind %s, want %s", err, fault.KindOf(err), c.kind)
			}
			if err == nil {
				_ = answer.Body.Close()
			}
		})
	}
	if shown["/own"] == "" || shown["/other"] != "" || shown["/private"] != "" {
		t.Errorf("credentials were shown: %v", shown)
	}
}
