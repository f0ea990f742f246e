package v1alpha1

import (
	"regexp"
	"time"

	"github.com/setpoint-dev/setpoint/internal/expression"
)

// Bounds of what constrains a Sync, and of its health checks.
const (
	maxPolicies = 20
	maxWindows  = 50
	maxRules    = 50
	maxChecks   = 50
	maxPatterns = 100                   // of one list
	maxText     = 1000                  // letters that people read
	maxLetters  = expression.MaxSource  // of one expression, or a URL
	maxLook     = Duration(time.Minute) // one look at an address
	minStatus   = 100                   // of HTTP
	maxStatus   = 599                   //
)

// The patterns of selectors, in which "*" stands for any part, and of what probes look at.
const (
	partGroup           = `[a-z0-9*]([-.a-z0-9*]*[a-z0-9*])?`
	partKind            = `[A-Z*][A-Za-z0-9*]*`
	patternAnyGroup     = `^` + partGroup + `$`
	patternAnyKind      = `^` + partKind + `$`
	patternAnyGroupKind = `^(` + partGroup + `/)?` + partKind + `$`
	patternAnyNamespace = `^[-a-z0-9*]+$`
	patternAnyName      = `^[^\s/]+$`
	patternAnyTarget    = `^[^\s]+( [^\s]+)*$`
	patternAnySource    = `^[^\s]+$`
	patternLook         = `^https?://[^\s/?#@]+([/?][^\s#]*)?$`
	patternAddress      = `^(\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+):[0-9]{1,5}$`
)

var (
	// formVersion begins what names a version where a group belongs: "v1", "v1/Service".
	formVersion      = regexp.MustCompile(`^v[0-9]+((alpha|beta)[0-9]+)?(/|$)`)
	formAnyGroup     = regexp.MustCompile(patternAnyGroup)
	formAnyKind      = regexp.MustCompile(patternAnyKind)
	formAnyGroupKind = regexp.MustCompile(patternAnyGroupKind)
	formAnyNamespace = regexp.MustCompile(patternAnyNamespace)
	formAnyName      = regexp.MustCompile(patternAnyName)
	formAnyTarget    = regexp.MustCompile(patternAnyTarget)
	formAnySource    = regexp.MustCompile(patternAnySource)
	formLook         = regexp.MustCompile(patternLook)
	formAddress      = regexp.MustCompile(patternAddress)
)

// The words that fields may have.
var (
	wordsApproval = []string{ApprovalNever, ApprovalRisky, ApprovalAlways}
	wordsWindow   = []string{WindowAllow, WindowDeny}
	wordsRepairs  = []string{WindowAllow, GuardHold}
	wordsOutcome  = []string{GuardHold, GuardDeny}
	wordsMass     = []string{GuardHold, GuardAllow}
	wordsRollback = []string{RollbackNever, RollbackLastHealthy}
	wordsOps      = []string{"create", "update", "replace", "delete"} // as package diff has them
)

// What several fields have in common.
var (
	ruleText       = rule{Longest: maxText}
	ruleExpression = rule{NoEmpty: true, Longest: maxLetters}
)

var policyRules = map[string]rule{
	"SyncSpec.Rollback":       {Default: RollbackNever, Enum: wordsRollback},
	"SyncSpec.Health":         {Most: maxChecks},
	"SyncSpec.Policies":       {NoEmpty: true, Most: maxPolicies, Unique: true, Pattern: patternName},
	"Constraints.Approval":    {Enum: wordsApproval},
	"Constraints.Windows":     {Most: maxWindows},
	"Constraints.Rules":       {Most: maxRules},
	"Window.Kind":             {Enum: wordsWindow},
	"Window.Schedule":         {NoEmpty: true},
	"Window.TimeZone":         {Default: DefaultTimeZone, NoEmpty: true},
	"Window.Repairs":          {Default: WindowAllow, Enum: wordsRepairs},
	"Window.Message":          ruleText,
	"Rule.Name":               {Pattern: patternName},
	"Rule.Expression":         ruleExpression,
	"Rule.Outcome":            {Default: GuardHold, Enum: wordsOutcome},
	"Rule.Message":            ruleText,
	"Rule.Remedy":             ruleText,
	"Match.Ops":               {NoEmpty: true, Enum: wordsOps, Unique: true},
	"Match.Group":             {Pattern: patternAnyGroup},
	"Match.Kind":              {Pattern: patternAnyKind},
	"Match.Namespace":         {Pattern: patternAnyNamespace},
	"Match.Name":              {Pattern: patternAnyName},
	"Allowed.Kinds":           {NoEmpty: true, Most: maxPatterns, Pattern: patternAnyGroupKind},
	"Allowed.Namespaces":      {NoEmpty: true, Most: maxPatterns, Pattern: patternAnyNamespace},
	"Allowed.Targets":         {NoEmpty: true, Most: maxPatterns, Pattern: patternAnyTarget},
	"Allowed.Sources":         {NoEmpty: true, Most: maxPatterns, Pattern: patternAnySource},
	"Guards.MassDeletion":     {Default: GuardHold, Enum: wordsMass},
	"Guards.Protected":        {NoEmpty: true, Most: maxPatterns, Pattern: patternAnyGroupKind},
	"HealthCheck.Group":       {Pattern: patternAnyGroup},
	"HealthCheck.Kind":        {Pattern: patternAnyKind},
	"HealthCheck.Namespace":   {Pattern: patternAnyNamespace},
	"HealthCheck.Name":        {Pattern: patternAnyName},
	"HealthCheck.Healthy":     ruleExpression,
	"HealthCheck.Progressing": ruleExpression,
	"HealthCheck.Failed":      ruleExpression,
	"HTTPCheck.URL":           {Pattern: patternLook, Longest: maxLetters},
	"HTTPCheck.Status":        {Minimum: minStatus, Maximum: maxStatus},
	"HTTPCheck.Interval":      {Default: DefaultProbeInterval},
	"HTTPCheck.Timeout":       {Default: DefaultProbeTimeout},
	"TCPCheck.Address":        {Pattern: patternAddress},
	"TCPCheck.Interval":       {Default: DefaultProbeInterval},
	"TCPCheck.Timeout":        {Default: DefaultProbeTimeout},
}
