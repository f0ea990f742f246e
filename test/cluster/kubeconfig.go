package cluster

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The admin's identity, which RBAC lets do everything.
const (
	adminUser  = "admin"
	adminGroup = "system:masters"
)

// Kubeconfig is the path of the admin's kubeconfig: user "admin" of group system:masters.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.dir, "admin.kubeconfig") }

// WriteKubeconfig writes a kubeconfig for another identity, proven by a client certificate, and returns its path. The
// identity may do what RBAC objects in the cluster allow: a new one may do nothing but look at itself and the API's version.
// Asking twice for the same user replaces the file.
func (c *Cluster) WriteKubeconfig(user string, groups ...string) (string, error) {
	name := strings.NewReplacer("/", "_", ":", "_").Replace(user)
	path := filepath.Join(c.dir, "user-"+name+".kubeconfig")
	return path, c.writeKubeconfig(path, user, groups)
}

func (c *Cluster) writeKubeconfig(path, user string, groups []string) error {
	pair, err := c.ca.client(user, groups)
	if err != nil {
		return err
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
contexts:
- name: test
  context: {cluster: test, user: %q}
clusters:
- name: test
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: %q
  user:
    client-certificate-data: %s
    client-key-data: %s
`, user, c.url, encode(c.ca.certPEM), user, encode(pair.cert), encode(pair.key))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the kubeconfig of %q: %w", user, err)
	}
	return nil
}

func encode(pem []byte) string { return base64.StdEncoding.EncodeToString(pem) }
