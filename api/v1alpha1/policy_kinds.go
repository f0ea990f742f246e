package v1alpha1

// Policy is what several Syncs keep to: each of them names it in spec.policies.
type Policy struct {
	APIVersion string      `json:"apiVersion"`
	Kind       string      `json:"kind"`
	Metadata   Metadata    `json:"metadata"`
	Spec       Constraints `json:"spec"`
}

// Constraints bound what a Sync, and every Sync below it, may change and when. A child can add to them and never take any away.
type Constraints struct {
	// Approval by a person before a new revision is applied: "never" (default), "risky" or "always".
	Approval string `json:"approval,omitempty"`
	// Windows say when a new revision may be applied.
	Windows []Window `json:"windows,omitempty"`
	// Rules are expressions that must be true of each change.
	Rules []Rule `json:"rules,omitempty"`
	// Allowed narrows what may be declared at all.
	Allowed *Allowed `json:"allowed,omitempty"`
	// Verify demands signatures of every source that is used.
	Verify *Verification `json:"verify,omitempty"`
}

// Window is a span of time that comes again and again.
type Window struct {
	// Kind: "allow" (changes only while a window of this kind is open) or "deny" (none while it is open).
	Kind string `json:"kind"`
	// Schedule of its beginnings: five fields as of cron, or "@daily" and the like.
	Schedule string   `json:"schedule"`
	Duration Duration `json:"duration"`
	// TimeZone of the schedule, from the IANA database. Default "UTC".
	TimeZone string `json:"timeZone,omitempty"`
	// Repairs of drift outside: "allow" (default) or "hold".
	Repairs string `json:"repairs,omitempty"`
	// Message says why, for people.
	Message string `json:"message,omitempty"`
}

// Rule is an expression that must be true of each change that it is about.
type Rule struct {
	Name string `json:"name"`
	// Match selects changes; default: all.
	Match Match `json:"match,omitzero"`
	// Expression in CEL over change, sync and revision, of type bool.
	Expression string `json:"expression"`
	// Outcome when it is false: "hold" (default: until a person approves) or "deny".
	Outcome string `json:"outcome,omitempty"`
	// Message and Remedy are what people read when it is false.
	Message string `json:"message,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
}

// Match selects changes by operation and object. What is left out matches everything; "*" stands for any part of a name.
type Match struct {
	Ops       []string `json:"ops,omitempty"` // create, update, replace, delete
	Group     string   `json:"group,omitempty"`
	Kind      string   `json:"kind,omitempty"`
	Namespace string   `json:"namespace,omitempty"`
	Name      string   `json:"name,omitempty"`
}

// Allowed narrows what may be declared. A list that is left out allows everything; "*" stands for any part of a word.
type Allowed struct {
	// Kinds as "Service", "apps/Deployment", "apps/*".
	Kinds []string `json:"kinds,omitempty"`
	// Namespaces of objects that have one.
	Namespaces []string `json:"namespaces,omitempty"`
	// Targets as status shows them: "this host", "kubernetes", "kubernetes context eu-*".
	Targets []string `json:"targets,omitempty"`
	// Sources by URL: "https://git.example.com/team/*".
	Sources []string `json:"sources,omitempty"`
}

// Guards shape the checks that are on by default, for one Sync.
type Guards struct {
	// MassDeletion of most of what is owned, or of what holds the content of others: "hold" (default) or "allow".
	MassDeletion string `json:"massDeletion,omitempty"`
	// Protected kinds beside Namespace, CustomResourceDefinition, PersistentVolume and PersistentVolumeClaim: changing them is
	// risky ("StatefulSet", "apps/*").
	Protected []string `json:"protected,omitempty"`
}

// HealthCheck says what healthy means, beyond what Setpoint knows of a kind. Exactly one of: expressions for the objects of a kind,
// http, tcp, object.
type HealthCheck struct {
	// Group, Kind, Namespace and Name select objects of this Sync, the kind at least; what is left out matches everything, and "*"
	// stands for any part of a name.
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	// Failed, Progressing and Healthy are CEL over object, asked in this order; the first that is true says how the object is doing.
	// None: it is progressing when Healthy was asked, else healthy.
	Healthy     string `json:"healthy,omitempty"`
	Progressing string `json:"progressing,omitempty"`
	Failed      string `json:"failed,omitempty"`
	// HTTP is healthy when it answers as expected.
	HTTP *HTTPCheck `json:"http,omitempty"`
	// TCP is healthy when it takes connections.
	TCP *TCPCheck `json:"tcp,omitempty"`
	// Object, of any target and Sync, that has to be healthy for this Sync to be.
	Object *Reference `json:"object,omitempty"`
}

// HTTPCheck asks a URL from the agent's machine.
type HTTPCheck struct {
	URL string `json:"url"`
	// Status expected; default: 200 to 399.
	Status   int      `json:"status,omitempty"`
	Interval Duration `json:"interval,omitzero"` // between two looks; default 10s
	Timeout  Duration `json:"timeout,omitzero"`  // of one look; default 5s
}

// TCPCheck connects to an address from the agent's machine.
type TCPCheck struct {
	Address  string   `json:"address"`           // host:port
	Interval Duration `json:"interval,omitzero"` // between two looks; default 10s
	Timeout  Duration `json:"timeout,omitzero"`  // of one look; default 5s
}

// The words of Constraints.Approval, Window.Kind, Window.Repairs, Rule.Outcome, Guards.MassDeletion and SyncSpec.Rollback.
const (
	ApprovalNever  = "never"
	ApprovalRisky  = "risky"
	ApprovalAlways = "always"

	WindowAllow = "allow"
	WindowDeny  = "deny"

	GuardAllow = "allow"
	GuardHold  = "hold"
	GuardDeny  = "deny"

	RollbackNever       = "never" // not "off", which YAML reads as false
	RollbackLastHealthy = "lastHealthy"
)
