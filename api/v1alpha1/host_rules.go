package v1alpha1

import "regexp"

// Bounds of what is written about a host.
const (
	// MaxAppName is the length of the longest name of an App: users and control groups are named after it.
	MaxAppName = 40
	// MaxReplicas of one process type.
	MaxReplicas = 100

	maxKept     = 100              // releases, files of logs
	maxStrip    = 64               // directories
	maxPort     = 65535            //
	minOpen     = 16               // files: a program opens several before it begins
	maxOpen     = 1 << 24          // more than kernels allow
	maxHealth   = 1000             // checks in a row
	minMemory   = 1 << 20          // bytes: less is a forgotten suffix
	minCPU      = 10               // thousandths of a processor, the least that the kernel gives
	minLog      = 64 << 10         // bytes
	maxLog      = 10 << 30         // bytes
	maxHostPath = 4095             // bytes, Linux' PATH_MAX
	maxHostName = 255              // bytes of one name in a path
	maxUserID   = int64(1<<32 - 2) // the number after it means "leave it as it is"
)

// The patterns of values on a host.
const (
	patternHostPath = `^(/` + patternSegment + `)+$`
	patternMode     = `^0?[0-7]{3,4}$`
	patternUser     = `^[A-Za-z0-9_][A-Za-z0-9_.@\\-]{0,254}\$?$` // what directories of users have, too
	patternVariable = `^[A-Za-z_][A-Za-z0-9_]*$`
	patternTaken    = `^(SETPOINT_.*|PORT)$` // variables
	patternProcess  = `^[a-z][a-z0-9-]{0,30}$`
	patternReserved = `^(pre|exec)$` // process types
	patternSHA256   = `^[0-9a-fA-F]{64}$`
	patternArchive  = `^(https?://[^\s/]+/[^\s]*|file:///[^\s]+)$`
	patternRequest  = `^/[^\s#]*$`
)

var (
	formMode     = regexp.MustCompile(patternMode)
	formUser     = regexp.MustCompile(patternUser)
	formVariable = regexp.MustCompile(patternVariable)
	formProcess  = regexp.MustCompile(patternProcess)
	formSHA256   = regexp.MustCompile(patternSHA256)
	formArchive  = regexp.MustCompile(patternArchive)
	formRequest  = regexp.MustCompile(patternRequest)
)

// What several fields have in common.
var (
	ruleUser     = rule{Pattern: patternUser, Example: `"1000"`}
	ruleDeletion = rule{Default: DeletionRemove, Enum: []string{DeletionRemove, DeletionRestore}}
	ruleEnv      = rule{Keys: patternVariable, NoKeys: patternTaken}
)

var hostRules = map[string]rule{
	"CommandSpec.Command":    {NoEmpty: true},
	"CommandSpec.App":        {Pattern: patternName},
	"CommandSpec.Directory":  {NoEmpty: true},
	"CommandSpec.Env":        ruleEnv,
	"CommandSpec.User":       ruleUser,
	"CommandSpec.Timeout":    {Default: DefaultCommandTimeout},
	"FileSpec.Path":          {Pattern: patternHostPath},
	"FileSpec.Mode":          {Default: DefaultFileMode, Pattern: patternMode, Example: `"0644"`},
	"FileSpec.Owner":         ruleUser,
	"FileSpec.Group":         ruleUser,
	"FileSpec.Sensitive":     {Default: false},
	"FileSpec.Deletion":      ruleDeletion,
	"ContentFrom.File":       {NoEmpty: true},
	"Template.Text":          {NoEmpty: true},
	"Template.File":          {NoEmpty: true},
	"Validation.Command":     {NoEmpty: true},
	"Validation.Timeout":     {Default: DefaultValidationTimeout},
	"DirectorySpec.Path":     {Pattern: patternHostPath},
	"DirectorySpec.Mode":     {Default: DefaultDirectoryMode, Pattern: patternMode, Example: `"0755"`},
	"DirectorySpec.Owner":    ruleUser,
	"DirectorySpec.Group":    ruleUser,
	"DirectorySpec.Purge":    {Default: false},
	"DirectorySpec.Deletion": ruleDeletion,
	"LinkSpec.Path":          {Pattern: patternHostPath},
	"LinkSpec.Target":        {NoEmpty: true},
	"LinkSpec.Owner":         ruleUser,
	"LinkSpec.Group":         ruleUser,
	"LinkSpec.Deletion":      ruleDeletion,

	"AppSpec.Processes":        {NoEmpty: true, Keys: patternProcess, NoKeys: patternReserved},
	"AppSpec.Env":              ruleEnv,
	"AppSpec.Secrets":          ruleEnv,
	"AppSpec.User":             ruleUser,
	"AppSpec.Group":            ruleUser,
	"Build.Directory":          {NoEmpty: true},
	"Build.Digest":             {NoEmpty: true},
	"Archive.URL":              {Pattern: patternArchive},
	"Archive.SHA256":           {Pattern: patternSHA256},
	"Archive.Strip":            {Default: 0, Maximum: maxStrip},
	"Process.Command":          {NoEmpty: true},
	"Process.Replicas":         {Default: DefaultReplicas, Maximum: MaxReplicas},
	"Process.Port":             {Minimum: 1, Maximum: maxPort},
	"Process.Directory":        {Pattern: patternPath},
	"Process.Env":              ruleEnv,
	"Process.Grace":            {Default: DefaultGrace},
	"ProcessCheck.HTTP":        {Pattern: patternRequest},
	"ProcessCheck.Command":     {NoEmpty: true},
	"ProcessCheck.Interval":    {Default: DefaultCheckInterval},
	"ProcessCheck.Timeout":     {Default: DefaultCheckTimeout},
	"ProcessCheck.Healthy":     {Default: DefaultHealthy, Minimum: 1, Maximum: maxHealth},
	"ProcessCheck.Unhealthy":   {Default: DefaultUnhealthy, Minimum: 1, Maximum: maxHealth},
	"Limits.Memory":            {Pattern: patternBytes, Example: `"256Mi"`},
	"Limits.CPU":               {Pattern: patternCPU, Example: `"0.5"`},
	"Limits.Files":             {Minimum: minOpen, Maximum: maxOpen},
	"Expose.Port":              {Minimum: 1, Maximum: maxPort},
	"Expose.Address":           {Default: DefaultAddress, NoEmpty: true},
	"Expose.Process":           {Pattern: patternProcess},
	"Expose.Protocol":          {Default: ProtocolHTTP, Enum: []string{ProtocolHTTP, ProtocolTCP}},
	"ReleasePolicy.Pre":        {NoEmpty: true},
	"ReleasePolicy.PreTimeout": {Default: DefaultPreTimeout},
	"ReleasePolicy.Timeout":    {Default: DefaultReleaseTimeout},
	"ReleasePolicy.Drain":      {Default: DefaultDrain},
	"ReleasePolicy.Keep":       {Default: DefaultKeep, Minimum: 1, Maximum: maxKept},
	"Need.URL":                 {NoEmpty: true},
	"Need.Check":               {Default: ProtocolTCP, Enum: []string{ProtocolTCP, ProtocolHTTP}},
	"Need.Interval":            {Default: DefaultNeedInterval},
	"Need.Timeout":             {Default: DefaultNeedTimeout},
	"LogPolicy.Size":           {Default: DefaultLogSize, Pattern: patternBytes, Example: `"10Mi"`},
	"LogPolicy.Files":          {Default: DefaultLogFiles, Minimum: 1, Maximum: maxKept},
	"EnvSource.File":           {NoEmpty: true},
	"EnvSource.HostFile":       {Pattern: patternHostPath},
	"ObjectName.Namespace":     {Pattern: patternName},
	"ObjectName.Name":          {NoEmpty: true},
}
