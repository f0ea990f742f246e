package helm_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/helm"
)

// remembered is a memory that counts.
type remembered struct {
	values map[string]string
	kept   int
}

func (m *remembered) Recall(context.Context) (map[string]string, error) {
	return maps.Clone(m.values), nil
}

func (m *remembered) Keep(_ context.Context, values map[string]string) error {
	m.values, m.kept = values, m.kept+1
	return nil
}

const random = `apiVersion: v1
kind: ConfigMap
metadata: {name: cm}
data:
  a: {{ randAlphaNum 16 }}
  b: {{ randAlphaNum 16 }}
  c: "{{ randNumeric (int .Values.length) }}"
  d: {{ uuidv4 }} {{ randInt 0 100000 }} {{ shuffle "abcdefghijklm" }} {{ randBytes 12 }}
  e: {{ htpasswd "user" "password" }} {{ encryptAES "key" "text" }}
  f: {{ now | date "2006-01-02T15:04:05.000000" }} {{ now.UnixNano }} {{ date "05.000000" nil }} {{ ago now }}
{{- $ca := genCA "ca" 100 }}
{{- $cert := genSignedCert "web" (list "10.0.0.1") (list "web.example.com") 10 $ca }}
  ca: {{ $ca.Cert | b64enc }}
  cert: {{ $cert.Cert | b64enc }}
  certonly: {{ $cert.Cert | toJson }}
  key: {{ $cert.Key | b64enc }}
  self: {{ (genSelfSignedCert "s" (list) (list) 30).Cert | b64enc }} {{ genPrivateKey "ecdsa" | b64enc }}
  other: {{ .Values.other | default "none" }}
`

// TestRandomValuesStay the same from render to render, also when another value changes, and are made anew when what makes them changes.
func TestRandomValuesStay(t *testing.T) {
	memory := &remembered{}
	clock := time.Now()
	renderer := helm.New(helm.Options{Now: func() time.Time { return clock }})
	once := func(values map[string]any) map[string]any {
		t.Helper()
		r := request(chart(random, "values.yaml", "length: 8\n"), &v1alpha1.Helm{Values: values})
		r.Outside.Memory = memory
		result, err := render.Formats{Helm: renderer}.Render(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return field(result, "cm", "data").(map[string]any)
	}
	differences := func(a, b map[string]any) (names string) {
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "ca", "cert", "key", "self", "other"} {
			if a[name] != b[name] {
				names += name + " "
			}
		}
		return names
	}
	first := once(nil)
	if first["a"] == first["b"] {
		t.Error("two random values are the same")
	}
	clock = clock.Add(time.Hour)
	if got := differences(first, once(nil)); got != "" || memory.kept != 1 {
		t.Errorf("another render changes %s and keeps %d times", got, memory.kept)
	}
	if got := differences(first, once(map[string]any{"other": "x"})); got != "f other " {
		t.Errorf("another value changes %q; the time is that of these values, and nothing else may change", got)
	}
	if got := differences(first, once(map[string]any{"length": 9})); got != "c f " {
		t.Errorf("another length changes %q", got)
	}
	if got := differences(first, once(nil)); got != "c f " {
		t.Errorf("going back changes %q: what was not asked for was dropped", got)
	}
	before := once(nil)
	clock = clock.Add(9*24*time.Hour + time.Hour) // the signed certificate has ten days, and its authority a hundred
	after := once(nil)
	if got := differences(before, after); got != "cert key " {
		t.Errorf("after nine days %q is another", got)
	}
	if memory.values == nil || notAfter(t, after["certonly"]).Before(time.Now().Add(9*24*time.Hour)) {
		t.Error("the new certificate ends at once")
	}
}

func notAfter(t *testing.T, text any) time.Time {
	t.Helper()
	block, _ := pem.Decode([]byte(text.(string)))
	if block == nil {
		t.Fatal("no certificate")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return certificate.NotAfter
}

// TestWithoutAMemory every render makes others, as helm template does.
func TestWithoutAMemory(t *testing.T) {
	r := request(chart(random, "values.yaml", "length: 8\n"), nil)
	a, _ := json.Marshal(field(must(t, r), "cm", "data.a"))
	b, _ := json.Marshal(field(must(t, r), "cm", "data.a"))
	if string(a) == string(b) {
		t.Errorf("%s twice", a)
	}
}

// TestChartsShareAMemory when they are rendered for another format: what one makes does not drop what the other has made.
func TestChartsShareAMemory(t *testing.T) {
	memory := &remembered{}
	renderer := helm.New(helm.Options{})
	once := func(release string) string {
		t.Helper()
		r := request(chart(configMap+`{a: {{ randAlphaNum 16 }}}`), nil)
		r.Outside.Memory = memory
		out, _, err := renderer.Chart(t.Context(), render.ChartRequest{Request: r, Release: release})
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	one, two := once("one"), once("two")
	if one == two || one != once("one") || two != once("two") {
		t.Error("a chart changes what another has made")
	}
}
