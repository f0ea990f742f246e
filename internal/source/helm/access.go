package helm

import (
	"github.com/setpoint-dev/setpoint/internal/source/fetch"
)

// connect makes the client. Credentials are read anew for each pull, so that they can be rotated; connections are kept for as long as they
// stay the same.
func (u *upstream) connect() error {
	login, err := fetch.ReadLogin(u.spec.Credentials, u.opts.Getenv)
	if err != nil {
		return err
	}
	if u.client != nil && login == u.login {
		return nil
	}
	client, err := fetch.New(fetch.Options{
		CAFile: u.spec.CAFile, Proxy: u.spec.Proxy, Insecure: u.at.base.Scheme == "http",
		Username: login.Username, Password: login.Password, Token: login.Token,
	})
	if err != nil {
		return err
	}
	if u.client != nil {
		u.client.HTTP().CloseIdleConnections()
	}
	u.login, u.client = login, client
	return nil
}
