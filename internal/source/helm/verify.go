package helm

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"path"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/signature"
	"github.com/setpoint-dev/setpoint/internal/source/fetch"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
)

// maxProvenance is the length of a provenance file, in bytes.
const maxProvenance = 1 << 20

// demand is what signatures are held against at one moment.
type demand struct {
	keys []string // by one of each of which a chart has to be signed
	// place is where charts are kept in the store: that of other keys is another, so that what was signed by a key that counts no more is
	// not given again.
	place string
}

// demanded reads the public keys anew, as they can be exchanged.
func (u *upstream) demanded() (demand, error) {
	d := demand{place: u.key}
	for _, one := range u.opts.Verify {
		switch {
		case one == nil:
			continue
		case one.Helm == nil:
			return demand{}, fault.Unverified(u.String(), "charts of a repository are not among the sources that may be used here").
				WithHint("add verify.helm where signatures are demanded, or use another kind of source")
		}
		keys, err := fetch.ReadKeys(one.Helm.PGPKeys, u.opts.Getenv)
		if err != nil {
			return demand{}, err
		}
		d.keys = append(d.keys, keys)
	}
	if len(d.keys) > 0 {
		d.place = packed.Key(d.place, d.keys)
	}
	return d, nil
}

// proof is what has to be signed: an archive at a URL that an index names, with its SHA-256 in hexadecimal digits.
type proof struct {
	from   *http.Response
	at     url.URL
	sha256 string
}

// verify holds an archive against all that is demanded, and gives the name of who has signed it: "" when nobody had to.
func (u *upstream) verify(ctx context.Context, demanded demand, of proof) (signer string, err error) {
	if len(demanded.keys) == 0 {
		return "", nil
	}
	provenance, err := u.provenance(ctx, of)
	if err != nil {
		return "", err
	}
	for _, keys := range demanded.keys {
		found, err := signature.Helm(provenance, path.Base(of.at.Path), of.sha256, keys)
		if err != nil {
			return "", err
		}
		signer = found.Name
	}
	return signer, nil
}

// provenance gets the file beside an archive in which Helm keeps the signature.
func (u *upstream) provenance(ctx context.Context, of proof) ([]byte, error) {
	of.at.Path, of.at.RawPath = of.at.Path+".prov", ""
	answer, err := u.client.Follow(ctx, of.from, of.at.String(), maxProvenance)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return nil, fault.Unverified(fetch.Redact(of.at.String()), "it is not signed: there is no provenance file beside the archive").
			WithHint("its publisher has to sign it: `helm package --sign`, and put the file .prov beside the archive")
	case err != nil:
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	return io.ReadAll(answer.Body)
}
