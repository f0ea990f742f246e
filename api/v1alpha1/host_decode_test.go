package v1alpha1_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Each begins a document whose spec goes on with two spaces, on line 6 (App: 7).
const (
	fileHead      = "apiVersion: host.setpoint.dev/v1alpha1\nkind: File\nmetadata: {name: motd}\nspec:\n  path: /etc/motd\n"
	directoryHead = "apiVersion: host.setpoint.dev/v1alpha1\nkind: Directory\nmetadata: {name: srv}\nspec:\n  path: /srv/www\n"
	linkHead      = "apiVersion: host.setpoint.dev/v1alpha1\nkind: Link\nmetadata: {name: now}\nspec:\n  path: /srv/now\n  target: www\n"
	appHead       = "apiVersion: host.setpoint.dev/v1alpha1\nkind: App\nmetadata: {name: web}\nspec:\n  build: {directory: dist}\n"
)

// decodeAny checks and decodes a document of any kind.
func decodeAny(t *testing.T, text string) (kind string, decoded any) {
	t.Helper()
	object := sample{name: text, text: text}.object(t)
	var err error
	switch object.Kind() {
	case "Sync":
		decoded, err = parseSync(text, "x.yaml")
	case "Source":
		decoded, err = parseSource(text, "x.yaml")
	case "Policy":
		decoded, err = parsePolicy(text, "x.yaml")
	default:
		decoded, err = parseHost(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	return object.Kind(), decoded
}

// parseHost reads one document of a kind of a host; see parse.
func parseHost(text string) (any, error) {
	switch {
	case strings.Contains(text, "kind: File\n"):
		return parse(text, "x.yaml", v1alpha1.DecodeFile)
	case strings.Contains(text, "kind: Directory\n"):
		return parse(text, "x.yaml", v1alpha1.DecodeDirectory)
	case strings.Contains(text, "kind: Link\n"):
		return parse(text, "x.yaml", v1alpha1.DecodeLink)
	}
	return parse(text, "x.yaml", v1alpha1.DecodeApp)
}

func at(head, path string) string {
	for _, old := range []string{"/etc/motd", "/srv/www", "/srv/now"} {
		head = strings.Replace(head, old, path, 1)
	}
	return head
}

var hostSamples = []sample{
	{name: "the least file", text: fileHead},
	{name: "the least directory", text: directoryHead},
	{name: "the least link", text: linkHead},
	{name: "the least app", text: appHead},
	{name: "every field of a file", text: fileHead + everyFile},
	{name: "every field of an app", text: appHead + everyApp},
	{name: "a namespace", text: strings.Replace(fileHead, "motd}", "motd, namespace: x}", 1), want: "3 metadata.namespace"},
	{name: "a file of another group", text: strings.Replace(fileHead, "host.", "", 1), want: "2 kind"},
	{name: "another version", text: strings.Replace(fileHead, "v1alpha1", "v1", 1), want: "1 apiVersion"},
	{name: "a name with dots", text: strings.Replace(fileHead, "name: motd", "name: a.b", 1), want: "3 metadata.name"},
	{name: "a name for an app that is as long as can be", text: strings.Replace(appHead, "web", strings.Repeat("x", 40), 1)},
	{name: "a longer one", text: strings.Replace(appHead, "web", strings.Repeat("x", 41), 1), want: "3 metadata.name"},
	{name: "an unknown field in a process", text: appHead + "  processes: {web: {replica: 2}}\n", want: "6 spec.processes.web.replica"},

	{name: "a relative path", text: at(fileHead, "etc/motd"), want: "5 spec.path"},
	{name: "a path that is home", text: at(fileHead, "~/motd"), want: "5 spec.path"},
	{name: "the root", text: at(directoryHead, "/"), want: "5 spec.path"},
	{name: "a path that goes up", text: at(fileHead, "/etc/../motd"), want: "5 spec.path"},
	{name: "a path that goes up at its end", text: at(fileHead, "/etc/a/.."), want: "5 spec.path"},
	{name: "a path with a slash at its end", text: at(directoryHead, "/srv/www/"), want: "5 spec.path"},
	{name: "a path with two slashes", text: at(linkHead, "/srv//now"), want: "5 spec.path"},
	{name: "a path with a dot", text: at(linkHead, "/srv/./now"), want: "5 spec.path"},
	{name: "an empty path", text: at(fileHead, `""`), want: "5 spec.path"},
	{name: "a path with a line in it", text: at(fileHead, `"/etc/a\nb"`), want: "5 spec.path", decodeOnly: true},
	{name: "a name longer than a name", text: at(fileHead, "/etc/"+strings.Repeat("x", 256)), want: "5 spec.path", decodeOnly: true},
	{name: "a path longer than a path", text: at(fileHead, strings.Repeat("/abcdefghi", 410)), want: "5 spec.path", decodeOnly: true},
	{name: "paths with dots and tildes in names", text: at(fileHead, "/srv/.a/..b/c~/...")},
	{name: "no path", text: strings.Replace(fileHead, "  path: /etc/motd\n", "  mode: \"0600\"\n", 1), want: "4 spec.path"},

	{name: "a mode without quotes", text: fileHead + "  mode: 0644\n", want: "6 spec.mode"},
	{name: "a mode in decimal", text: fileHead + "  mode: 644\n", want: "6 spec.mode"},
	{name: "a mode that is not octal", text: fileHead + "  mode: \"0888\"\n", want: "6 spec.mode"},
	{name: "a mode in letters", text: directoryHead + "  mode: rwxr-xr-x\n", want: "6 spec.mode"},
	{name: "a mode that is too long", text: directoryHead + "  mode: \"077777\"\n", want: "6 spec.mode"},
	{name: "a mode with the sticky bit", text: directoryHead + "  mode: \"01777\"\n"},
	{name: "a mode of three digits", text: fileHead + "  mode: \"644\"\n"},
	{name: "an owner as a number without quotes", text: fileHead + "  owner: 1000\n", want: "6 spec.owner"},
	{name: "an owner as a number", text: fileHead + "  owner: \"1000\"\n  group: www-data\n"},
	{name: "an owner that is nobody's number", text: fileHead + "  owner: \"4294967295\"\n", want: "6 spec.owner", decodeOnly: true},
	{name: "an owner and a group in one", text: linkHead + "  owner: a:b\n", want: "7 spec.owner"},
	{name: "another deletion", text: fileHead + "  deletion: prune\n", want: "6 spec.deletion"},
	{name: "a deletion that restores", text: linkHead + "  deletion: restore\n"},
	{name: "a target that is empty", text: strings.Replace(linkHead, "www\n", "\"\"\n", 1), want: "6 spec.target"},
	{name: "a target with a NUL", text: strings.Replace(linkHead, "target: www", `target: "a\0b"`, 1), want: "6 spec.target", decodeOnly: true},

	{name: "two contents", text: fileHead + "  content: a\n  contentBase64: YQ==\n", want: "7 spec.contentBase64"},
	{name: "a content and a template", text: fileHead + "  template: {text: a}\n  content: b\n", want: "6 spec.template"},
	{name: "no base64", text: fileHead + "  contentBase64: \"%%\"\n", want: "6 spec.contentBase64", decodeOnly: true},
	{name: "base64 on several lines", text: fileHead + "  contentBase64: |\n    YWFh\n    YmJi\n"},
	{name: "content from a file", text: fileHead + "  contentFrom: {file: ../motd.txt}\n"},
	{name: "content from the root of the source", text: fileHead + "  contentFrom: {file: /files/motd.txt}\n"},
	{name: "content from nowhere", text: fileHead + "  contentFrom: {}\n", want: "6 spec.contentFrom"},
	{name: "content from two places", text: fileHead + "  contentFrom:\n    file: a\n    secret: {env: A}\n", want: "8 spec.contentFrom.secret"},
	{name: "content from an empty file name", text: fileHead + "  contentFrom: {file: \"\"}\n", want: "6 spec.contentFrom.file"},
	{name: "content from above the source", text: fileHead + "  contentFrom: {file: /../a}\n", want: "6 spec.contentFrom.file", decodeOnly: true},
	{name: "content from a URL", text: fileHead + "  contentFrom: {file: \"https://x/y\"}\n", want: "6 spec.contentFrom.file", decodeOnly: true},
	{name: "content from home", text: fileHead + "  contentFrom: {file: ~/a}\n", want: "6 spec.contentFrom.file", decodeOnly: true},
	{name: "a secret from two places", text: fileHead + "  contentFrom: {secret: {env: A, file: /b}}\n", want: "6 spec.contentFrom.secret"},
	{name: "a secret from a relative file", text: fileHead + "  contentFrom: {secret: {file: b}}\n", want: "6 spec.contentFrom.secret.file", decodeOnly: true},
	{name: "a secret of the agent", text: fileHead + "  contentFrom: {secret: {env: SETPOINT_GIT_TOKEN}}\n",
		want: "6 spec.contentFrom.secret.env", decodeOnly: true},
	{name: "a secret of no variable", text: fileHead + "  contentFrom: {secret: {env: a-b}}\n", want: "6 spec.contentFrom.secret.env", decodeOnly: true},

	{name: "a template of nothing", text: fileHead + "  template: {values: {a: 1}}\n", want: "6 spec.template"},
	{name: "a template that is empty", text: fileHead + "  template: {text: \"\"}\n", want: "6 spec.template.text"},
	{name: "a template of two", text: fileHead + "  template:\n    text: a\n    file: b\n", want: "8 spec.template.file"},
	{name: "values of all types", text: fileHead + "  template: {text: a, values: {a: 1, b: [x, {c: 1.5}], d: true, e: {f: g}}}\n"},
	{name: "a value that was forgotten", text: fileHead + "  template:\n    text: a\n    values: {a: [1, {b: }]}\n",
		want: "8 spec.template.values.a[1].b", decodeOnly: true},
	{name: "values that are a list", text: fileHead + "  template: {text: a, values: [x]}\n", want: "6 spec.template.values"},
	{name: "a secret of a template from nowhere", text: fileHead + "  template: {text: a, secrets: {b: {}}}\n", want: "6 spec.template.secrets.b"},
	{name: "a validation without a command", text: fileHead + "  validate: {timeout: 1s}\n", want: "6 spec.validate.command"},
	{name: "a validation with an empty command", text: fileHead + "  validate: {command: []}\n", want: "6 spec.validate.command"},
	{name: "a validation with an empty word in front", text: fileHead + "  validate: {command: [\"\", a]}\n", want: "6 spec.validate.command", decodeOnly: true},

	{name: "no build", text: strings.Replace(appHead, "  build: {directory: dist}\n", "  user: a\n", 1), want: "4 spec.build"},
	{name: "an empty build", text: strings.Replace(appHead, "{directory: dist}", "{}", 1), want: "5 spec.build"},
	{name: "a build of two", text: build("{directory: a, archive: " + archive + "}"), want: "5 spec.build.archive"},
	{name: "a build of an archive", text: build("{archive: " + archive + "}")},
	{name: "an archive from a file", text: build("{archive: " + strings.Replace(archive, "https://example.com", "file:///srv", 1) + "}")},
	{name: "an archive of another kind", text: build("{archive: " + strings.Replace(archive, "https", "s3", 1) + "}"), want: "5 spec.build.archive.url"},
	{name: "an archive with credentials", text: build("{archive: " + strings.Replace(archive, "//", "//a:b@", 1) + "}"), want: "5 spec.build.archive.url", decodeOnly: true},
	{name: "a short digest", text: build("{archive: {url: \"https://x/y\", sha256: abc}}"), want: "5 spec.build.archive.sha256"},
	{name: "an archive without a digest", text: build("{archive: {url: \"https://x/y\"}}"), want: "5 spec.build.archive.sha256"},
	{name: "a negative strip", text: build("{archive: " + strings.Replace(archive, "}", ", strip: -1}", 1) + "}"), want: "5 spec.build.archive.strip"},
	{name: "a digest of an archive", text: build("{digest: x, archive: " + archive + "}"), want: "5 spec.build.digest", decodeOnly: true},

	{name: "no processes", text: appHead + "  processes: {}\n", want: "6 spec.processes"},
	{name: "a process of the Procfile", text: appHead + "  processes: {web: {}}\n"},
	{name: "a process type with capitals", text: appHead + "  processes: {Web: {}}\n", want: "6 spec.processes.Web"},
	{name: "a process type called pre", text: appHead + "  processes: {pre: {}}\n", want: "6 spec.processes.pre"},
	{name: "a process type called exec", text: appHead + "  processes: {exec: {}}\n", want: "6 spec.processes.exec"},
	{name: "a process that is a command", text: appHead + "  processes: {web: [./serve]}\n", want: "6 spec.processes.web"},
	{name: "an empty command", text: appHead + "  processes: {web: {command: []}}\n", want: "6 spec.processes.web.command"},
	{name: "a command as text", text: appHead + "  processes: {web: {command: ./serve}}\n", want: "6 spec.processes.web.command"},
	{name: "a command with a NUL", text: appHead + "  processes: {web: {command: [a, \"b\\0\"]}}\n", want: "6 spec.processes.web.command[1]", decodeOnly: true},
	{name: "no replicas", text: appHead + "  processes: {web: {replicas: 0}}\n"},
	{name: "fewer than no replicas", text: appHead + "  processes: {web: {replicas: -1}}\n", want: "6 spec.processes.web.replicas"},
	{name: "too many replicas", text: appHead + "  processes: {web: {replicas: 101}}\n", want: "6 spec.processes.web.replicas"},
	{name: "port 0", text: appHead + "  processes: {web: {port: 0}}\n", want: "6 spec.processes.web.port"},
	{name: "no port", text: appHead + "  processes: {web: {port: 65536}}\n", want: "6 spec.processes.web.port"},
	{name: "ports above the last", text: appHead + "  processes: {web: {port: 65535, replicas: 2}}\n", want: "6 spec.processes.web.port", decodeOnly: true},
	{name: "ports that overlap", text: appHead + "  processes:\n    a: {port: 8000, replicas: 3}\n    b: {port: 8002}\n", want: "8 spec.processes.b.port", decodeOnly: true},
	{name: "a port that is exposed", text: appHead + "  expose: {port: 80}\n  processes:\n    web: {port: 80}\n", want: "8 spec.processes.web.port", decodeOnly: true},
	{name: "a port that is exposed elsewhere", text: appHead + "  expose: {port: 80, address: 192.0.2.1}\n  processes:\n    web: {port: 80}\n"},
	{name: "a directory outside of the build", text: appHead + "  processes: {web: {directory: ../a}}\n", want: "6 spec.processes.web.directory"},
	{name: "an absolute directory", text: appHead + "  processes: {web: {directory: /srv}}\n", want: "6 spec.processes.web.directory"},
	{name: "no grace", text: appHead + "  processes: {web: {grace: 0s}}\n", want: "6 spec.processes.web.grace", decodeOnly: true},
	{name: "two checks", text: appHead + "  processes:\n    web:\n      check:\n        http: /\n        tcp: true\n", want: "10 spec.processes.web.check.tcp"},
	{name: "a check of a whole URL", text: appHead + "  processes: {web: {check: {http: \"http://x/\"}}}\n", want: "6 spec.processes.web.check.http"},
	{name: "a check by a command", text: appHead + "  processes: {web: {check: {command: [./ok], interval: 5s}}}\n"},
	{name: "healthy after no check", text: appHead + "  processes: {web: {check: {healthy: 0}}}\n", want: "6 spec.processes.web.check.healthy"},
	{name: "memory without quotes", text: appHead + "  processes: {web: {limits: {memory: 256}}}\n", want: "6 spec.processes.web.limits.memory"},
	{name: "memory without a suffix", text: appHead + "  processes: {web: {limits: {memory: \"256\"}}}\n", want: "6 spec.processes.web.limits.memory", decodeOnly: true},
	{name: "memory of another kind", text: appHead + "  processes: {web: {limits: {memory: 256MB}}}\n", want: "6 spec.processes.web.limits.memory"},
	{name: "processors without quotes", text: appHead + "  processes: {web: {limits: {cpu: 0.5}}}\n", want: "6 spec.processes.web.limits.cpu"},
	{name: "too little of a processor", text: appHead + "  processes: {web: {limits: {cpu: 1m}}}\n", want: "6 spec.processes.web.limits.cpu", decodeOnly: true},
	{name: "too few files", text: appHead + "  processes: {web: {limits: {files: 3}}}\n", want: "6 spec.processes.web.limits.files"},

	{name: "a number in the environment", text: appHead + "  env: {A: 1}\n", want: "6 spec.env.A"},
	{name: "a variable with a dash", text: appHead + "  env: {a-b: x}\n", want: "6 spec.env.a-b"},
	{name: "a variable of the agent", text: appHead + "  env: {SETPOINT_TOKEN: x}\n", want: "6 spec.env.SETPOINT_TOKEN"},
	{name: "a port in the environment", text: appHead + "  processes: {web: {env: {PORT: \"80\"}}}\n", want: "6 spec.processes.web.env.PORT"},
	{name: "a variable with a NUL", text: appHead + "  env: {A: \"b\\0\"}\n", want: "6 spec.env.A", decodeOnly: true},
	{name: "an empty variable", text: appHead + "  env: {A: \"\"}\n"},
	{name: "a secret for a variable of the agent", text: appHead + "  secrets: {SETPOINT_X: {env: A}}\n", want: "6 spec.secrets.SETPOINT_X"},
	{name: "a secret out of the agent's", text: appHead + "  secrets: {A: {env: SETPOINT_TOKEN}}\n", want: "6 spec.secrets.A.env", decodeOnly: true},
	{name: "an environment from nowhere", text: appHead + "  envFrom: [{}]\n", want: "6 spec.envFrom[0]"},
	{name: "an environment from two places", text: appHead + "  envFrom:\n  - file: a\n    hostFile: /b\n", want: "8 spec.envFrom[0].hostFile"},
	{name: "an environment from a relative host file", text: appHead + "  envFrom: [{hostFile: b}]\n", want: "6 spec.envFrom[0].hostFile"},
	{name: "an environment that was rendered", text: appHead + "  envFrom: [{file: a, values: {B: c}}]\n"},
	{name: "values of no file", text: appHead + "  envFrom: [{hostFile: /a, values: {B: c}}]\n", want: "6 spec.envFrom[0].values", decodeOnly: true},
	{name: "a Secret without a name", text: appHead + "  envFrom: [{secret: {namespace: a}}]\n", want: "6 spec.envFrom[0].secret.name"},
	{name: "a namespace with capitals", text: appHead + "  envFrom: [{configMap: {name: a, namespace: B}}]\n", want: "6 spec.envFrom[0].configMap.namespace"},

	{name: "an address of one of a Procfile", text: appHead + "  expose: {port: 80}\n"},
	{name: "an address without a port", text: appHead + "  expose: {process: web}\n", want: "6 spec.expose.port"},
	{name: "an address by name", text: appHead + "  expose: {port: 80, address: example.com}\n", want: "6 spec.expose.address", decodeOnly: true},
	{name: "localhost", text: appHead + "  expose: {port: 80, address: localhost}\n"},
	{name: "an address of version 6", text: appHead + "  expose: {port: 80, address: \"::1\"}\n"},
	{name: "another protocol", text: appHead + "  expose: {port: 80, protocol: udp}\n", want: "6 spec.expose.protocol"},
	{name: "a process that is not there", text: appHead + "  processes: {web: {}}\n  expose: {port: 80, process: api}\n", want: "7 spec.expose.process", decodeOnly: true},
	{name: "which of two processes", text: appHead + "  processes: {a: {}, b: {}}\n  expose: {port: 80}\n", want: "7 spec.expose.process", decodeOnly: true},
	{name: "the process called web", text: appHead + "  processes: {a: {}, web: {}}\n  expose: {port: 80}\n"},
	{name: "an empty command before the switch", text: appHead + "  release: {pre: []}\n", want: "6 spec.release.pre"},
	{name: "no release to keep", text: appHead + "  release: {keep: 0}\n", want: "6 spec.release.keep"},
	{name: "too many to keep", text: appHead + "  release: {keep: 101}\n", want: "6 spec.release.keep"},
	{name: "a need without a URL", text: appHead + "  needs: [{check: tcp}]\n", want: "6 spec.needs[0].url"},
	{name: "an empty need", text: appHead + "  needs: [{url: \"\"}]\n", want: "6 spec.needs[0].url"},
	{name: "a need that is no URL", text: appHead + "  needs: [{url: db.example.com}]\n", want: "6 spec.needs[0].url", decodeOnly: true},
	{name: "a need with a password", text: appHead + "  needs: [{url: \"redis://:secret@db\"}]\n", want: "6 spec.needs[0].url", decodeOnly: true},
	{name: "a need without a port", text: appHead + "  needs: [{url: \"tcp://db\"}]\n", want: "6 spec.needs[0].url", decodeOnly: true},
	{name: "a need that does not speak HTTP", text: appHead + "  needs: [{url: \"redis://db\", check: http}]\n", want: "6 spec.needs[0].url", decodeOnly: true},
	{name: "another check of a need", text: appHead + "  needs: [{url: $A, check: udp}]\n", want: "6 spec.needs[0].check"},
	{name: "needs that are fine", text: appHead + "  needs: [{url: \"postgres://db\"}, {url: \"https://x/y\", check: http}, {url: \"tcp://db:1\"}]\n"},
	{name: "logs that are too small", text: appHead + "  logs: {size: 1Ki}\n", want: "6 spec.logs.size", decodeOnly: true},
	{name: "logs that are too big", text: appHead + "  logs: {size: 1Ti}\n", want: "6 spec.logs.size", decodeOnly: true},
	{name: "no files of logs", text: appHead + "  logs: {files: 0}\n", want: "6 spec.logs.files"},
}

const archive = `{url: "https://example.com/a.tar.gz", sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef}`

func build(text string) string { return strings.Replace(appHead, "{directory: dist}", text, 1) }

const everyFile = `  template:
    file: motd.tmpl
    values: {name: shop, ports: [80, 443]}
    secrets: {key: {file: /etc/keys/shop}, token: {env: SHOP_TOKEN}}
  mode: "0640"
  owner: root
  group: shop
  validate: {command: [nginx, -t, -c, "{}"], timeout: 5s}
  sensitive: true
  deletion: restore
`

const everyApp = `  processes:
    web:
      command: [./serve, --port, $PORT]
      replicas: 2
      port: 9000
      directory: public
      env: {LOG: debug}
      check: {http: /healthz, interval: 2s, timeout: 1s, healthy: 2, unhealthy: 5}
      grace: 30s
      limits: {memory: 256Mi, cpu: "0.5", files: 1024}
    worker: {command: [./work]}
  env: {GREETING: hello}
  envFrom:
  - {file: production.env}
  - {hostFile: /etc/shop/env}
  - {configMap: {name: shop, namespace: shop}}
  - {secret: {name: shop}}
  secrets: {DATABASE_URL: {file: /etc/shop/database}}
  user: shop
  group: "1000"
  expose: {port: 8080, address: 0.0.0.0, process: web, protocol: http}
  release: {pre: [./migrate], preTimeout: 1m, timeout: 2m, drain: 5s, keep: 3}
  needs: [{url: $DATABASE_URL, check: tcp, interval: 5s, timeout: 1s}]
  logs: {size: 1Mi, files: 5}
`

func TestDecodeHost(t *testing.T) {
	for _, test := range hostSamples {
		if _, err := parseHost(test.text); summary(err) != test.want {
			t.Errorf("%s: %q, want %q (%v)", test.name, summary(err), test.want, err)
		}
	}
}

// TestWordsOfHostErrors: what people read, with the hint behind it.
func TestWordsOfHostErrors(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{fileHead + "  mode: 0644\n", `spec.mode: want text, not a number | quote it, as in "0644"`},
		{at(fileHead, "etc/../motd"), `spec.path: "etc/../motd" is not absolute | write /motd`},
		{at(fileHead, "~/motd"), `spec.path: "~/motd" begins in somebody's home directory | write the whole path, from / on`},
		{at(directoryHead, "/srv/"), `spec.path: "/srv/" is not in its shortest form | write /srv`},
		{fileHead + "  content: a\n  template: {text: b}\n",
			"spec.template: cannot stand beside content | keep one of content, contentBase64, contentFrom and template"},
		{strings.Replace(appHead, "web}", "web, namespace: a}", 1),
			"metadata.namespace: unknown field | remove it: a host has no namespaces, the names of a kind are one space per agent"},
		{appHead + "  proceses: {}\n", "spec.proceses: unknown field | did you mean processes?"},
		{appHead + "  env: {SETPOINT_TOKEN: a}\n", "spec.env.SETPOINT_TOKEN: SETPOINT_TOKEN is the agent's own | " +
			"choose another name: its settings and credentials are not for objects"},
		{appHead + "  processes: {a: {port: 80}, b: {port: 80}}\n",
			"spec.processes.b.port: port 80 is taken by a | each replica of a process type binds the next port"},
		{appHead + "  processes: {a: {}, b: {}}\n  expose: {port: 80}\n",
			"spec.expose.process: which process type gets the traffic? None is called web | name one of a and b"},
		{appHead + "  processes: {web: {replicas: 101}}\n", "spec.processes.web.replicas: must be from 0 to 100 | "},
		{appHead + "  processes: {web: {limits: {memory: lots}}}\n",
			`spec.processes.web.limits.memory: "lots" is not a number of bytes: want for example "256Mi" or "1Gi" | `},
		{strings.Replace(fileHead, "File", "Fiel", 1),
			`kind: host.setpoint.dev has no kind "Fiel" | its kinds are File, Directory, Link, App and Command`},
	} {
		_, err := parseHost(test.text)
		if err == nil {
			t.Errorf("%s: no error", test.text)
			continue
		}
		_, words, _ := strings.Cut(strings.TrimPrefix(err.Error(), "decode x.yaml:"), ": ")
		if got := words + " | " + fault.HintOf(err); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestAllErrorsOfAnAppAtOnce(t *testing.T) {
	_, err := parseHost(appHead + `  processes:
    web: {port: 0, command: []}
    api: {replicas: many}
  expose: {port: 80, process: api, protocol: udp}
  env: {a-b: c}
  logs: {files: 0}
`)
	var got []string
	for _, one := range fault.Flatten(err) {
		got = append(got, summary(one))
	}
	want := []string{
		"7 spec.processes.web.port", "7 spec.processes.web.command", "8 spec.processes.api.replicas",
		"9 spec.expose.protocol", "10 spec.env.a-b", "11 spec.logs.files",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSecretsOfHostKindsAreNotShown(t *testing.T) {
	for _, text := range []string{
		appHead + "  needs: [{url: \"redis://:hunter2@db:1\"}]\n", appHead + "  env: {A: \"hunter2\\0\"}\n",
		build("{archive: " + strings.Replace(archive, "//", "//a:hunter2@", 1) + "}"), fileHead + "  contentBase64: \"hunter2!\"\n",
	} {
		if _, err := parseHost(text); err == nil || strings.Contains(err.Error()+fault.HintOf(err), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

func TestDefaultsOfFiles(t *testing.T) {
	for text, want := range map[string]v1alpha1.FileSpec{
		fileHead:                           {Mode: "0644"},
		fileHead + "  sensitive: true\n":   {Mode: "0600", Sensitive: true},
		fileHead + "  mode: \"0755\"\n":    {Mode: "0755"},
		fileHead + "  content: \"a\\n\"\n": {Mode: "0644", Content: "a\n"},
		fileHead + "  contentFrom: {secret: {env: A}}\n": {
			Mode: "0600", Sensitive: true, ContentFrom: &v1alpha1.ContentFrom{Secret: &v1alpha1.ValueFrom{Env: "A"}},
		},
	} {
		want.Path, want.Deletion = "/etc/motd", "remove"
		_, got := decodeAny(t, text)
		if diff := cmp.Diff(want, got.(*v1alpha1.File).Spec); diff != "" {
			t.Errorf("%s-want +got:\n%s", text, diff)
		}
	}
}

func TestDefaultsOfApps(t *testing.T) {
	const second = v1alpha1.Duration(time.Second)
	_, decoded := decodeAny(t, appHead+`  processes: {web: {}, db: {port: 5432, check: {interval: 5s}}, worker: {}}
  expose: {port: 80}
  needs: [{url: $DATABASE_URL}]
  envFrom: [{secret: {name: a}}]
`)
	one := 1
	tcp := func(interval v1alpha1.Duration) *v1alpha1.ProcessCheck {
		return &v1alpha1.ProcessCheck{TCP: true, Interval: interval, Timeout: second, Healthy: 1, Unhealthy: 3}
	}
	want := v1alpha1.AppSpec{
		Build: v1alpha1.Build{Directory: "dist"},
		Processes: map[string]v1alpha1.Process{
			"web":    {Replicas: &one, Grace: 10 * second, Check: tcp(second)},
			"db":     {Replicas: &one, Grace: 10 * second, Port: 5432, Check: tcp(5 * second)},
			"worker": {Replicas: &one, Grace: 10 * second},
		},
		EnvFrom: []v1alpha1.EnvSource{{Secret: &v1alpha1.ObjectName{Namespace: "default", Name: "a"}}},
		Expose:  &v1alpha1.Expose{Port: 80, Address: "127.0.0.1", Process: "web", Protocol: "http"},
		Release: v1alpha1.ReleasePolicy{PreTimeout: 300 * second, Timeout: 60 * second, Drain: 30 * second, Keep: 5},
		Needs:   []v1alpha1.Need{{URL: "$DATABASE_URL", Check: "tcp", Interval: 10 * second, Timeout: 2 * second}},
		Logs:    v1alpha1.LogPolicy{Size: "10Mi", Files: 3},
	}
	if diff := cmp.Diff(want, decoded.(*v1alpha1.App).Spec); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWhichProcessGetsTheTraffic(t *testing.T) {
	for _, test := range []struct {
		expose *v1alpha1.Expose
		types  string
		want   string
	}{
		{nil, "web", ""}, {&v1alpha1.Expose{}, "web", "web"}, {&v1alpha1.Expose{}, "a web", "web"}, {&v1alpha1.Expose{}, "a", "a"},
		{&v1alpha1.Expose{}, "a b", ""}, {&v1alpha1.Expose{}, "", ""}, {&v1alpha1.Expose{Process: "x"}, "web", "x"},
	} {
		if got := test.expose.Choose(strings.Fields(test.types)); got != test.want {
			t.Errorf("%+v of %s: %q, want %q", test.expose, test.types, got, test.want)
		}
	}
}

// FuzzDecodeHost: whatever is declared, decoding gives errors of the author, never of ours, and what it accepts it accepts again
// when it is written out with its defaults.
func FuzzDecodeHost(f *testing.F) {
	for _, test := range hostSamples {
		f.Add(test.text)
	}
	f.Fuzz(decodeSafely)
}

func decodeSafely(t *testing.T, text string) {
	documents, err := document.Read([]byte(text), "x.yaml")
	if err != nil {
		return
	}
	for _, found := range documents {
		if err := v1alpha1.Check(found.Object, found.Line); err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%v", err)
			}
			continue
		}
		decodeTwice(t, found.Object)
	}
}

func decodeTwice(t *testing.T, object *state.Object) {
	t.Helper()
	switch object.Kind() {
	case v1alpha1.KindSync:
		twice(t, object, v1alpha1.DecodeSync)
	case v1alpha1.KindPolicy:
		twice(t, object, v1alpha1.DecodePolicy)
	case v1alpha1.KindFile:
		twice(t, object, v1alpha1.DecodeFile)
	case v1alpha1.KindDirectory:
		twice(t, object, v1alpha1.DecodeDirectory)
	case v1alpha1.KindLink:
		twice(t, object, v1alpha1.DecodeLink)
	case v1alpha1.KindApp:
		twice(t, object, v1alpha1.DecodeApp)
	}
}
