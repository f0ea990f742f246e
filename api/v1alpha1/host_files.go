package v1alpha1

// The API group of objects on a Linux host, and its kinds.
const (
	GroupHost      = "host." + Group
	APIVersionHost = GroupHost + "/" + Version

	KindFile      = "File"
	KindDirectory = "Directory"
	KindLink      = "Link"
	KindApp       = "App"
)

// File declares a regular file on a host.
type File struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       FileSpec `json:"spec"`
}

// FileSpec is what a File wants. Exactly one of content, contentBase64, contentFrom and template is set; none is an empty file.
type FileSpec struct {
	// Path on the host, absolute and in its shortest form. Its directory must exist, or be declared.
	Path string `json:"path"`
	// Content of the file, as text.
	Content string `json:"content,omitempty"`
	// ContentBase64 is the content of a file that is not text.
	ContentBase64 string `json:"contentBase64,omitempty"`
	// ContentFrom says where the content is read from.
	ContentFrom *ContentFrom `json:"contentFrom,omitempty"`
	// Template makes the content.
	Template *Template `json:"template,omitempty"`
	// Mode in octal digits. Default "0644", and "0600" for a sensitive file.
	Mode string `json:"mode,omitempty"`
	// Owner of the file, a user's name or number. Default: the agent's.
	Owner string `json:"owner,omitempty"`
	// Group of the file, a name or number. Default: the agent's.
	Group string `json:"group,omitempty"`
	// Validate runs a command on the new file before it replaces the old one.
	Validate *Validation `json:"validate,omitempty"`
	// Sensitive content is shown nowhere, only as a keyed hash. It is implied by a secret.
	Sensitive bool `json:"sensitive,omitempty"`
	// Deletion: "remove" (default) deletes the file when its declaration goes; "restore" puts back what was there before.
	Deletion string `json:"deletion,omitempty"`
}

// ContentFrom is a place to read a file's content from. Exactly one field is set.
type ContentFrom struct {
	// File of the source's revision, relative to the file that declares it; a path that begins with / begins at the root of the source.
	File string `json:"file,omitempty"`
	// Secret is read on the host at the moment of use; the file is then sensitive.
	Secret *ValueFrom `json:"secret,omitempty"`
}

// Template is a text in the language of Go's text/template. It sees .Values, .Secrets and .Host (Name, OS, Arch, CPUs); a value that is
// missing is an error. Exactly one of text and file is set.
type Template struct {
	Text string `json:"text,omitempty"`
	// File of the source's revision, like contentFrom.file.
	File string `json:"file,omitempty"`
	// Values that the template sees as .Values.
	Values map[string]any `json:"values,omitempty"`
	// Secrets that the template sees as .Secrets, read on the host at the moment of use; the file is then sensitive.
	Secrets map[string]ValueFrom `json:"secrets,omitempty"`
}

// Validation is a command that must succeed before a new file replaces the old one.
type Validation struct {
	// Command with its arguments; no shell. "{}" stands for the path of the new file, which has the final mode and owner.
	Command []string `json:"command"`
	// Timeout of the command. Default 10s.
	Timeout Duration `json:"timeout,omitzero"`
}

// Directory declares a directory on a host. Directories above it that are missing are created like it.
type Directory struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Metadata   Metadata      `json:"metadata"`
	Spec       DirectorySpec `json:"spec"`
}

// DirectorySpec is what a Directory wants.
type DirectorySpec struct {
	// Path on the host, absolute and in its shortest form.
	Path string `json:"path"`
	// Mode in octal digits. Default "0755".
	Mode string `json:"mode,omitempty"`
	// Owner of the directory, a user's name or number. Default: the agent's.
	Owner string `json:"owner,omitempty"`
	// Group of the directory, a name or number. Default: the agent's.
	Group string `json:"group,omitempty"`
	// Purge deletes entries that nobody declares.
	Purge bool `json:"purge,omitempty"`
	// Deletion: "remove" (default) deletes the directory when its declaration goes, if it is empty then; "restore" leaves a directory
	// that was there before, with the mode and owner that it had.
	Deletion string `json:"deletion,omitempty"`
}

// Link declares a symbolic link on a host.
type Link struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       LinkSpec `json:"spec"`
}

// LinkSpec is what a Link wants.
type LinkSpec struct {
	// Path of the link itself, absolute and in its shortest form.
	Path string `json:"path"`
	// Target that the link leads to, as it is written into the link; it need not exist.
	Target string `json:"target"`
	// Owner of the link, a user's name or number. Default: the agent's.
	Owner string `json:"owner,omitempty"`
	// Group of the link, a name or number. Default: the agent's.
	Group string `json:"group,omitempty"`
	// Deletion: "remove" (default) or "restore", as for a File.
	Deletion string `json:"deletion,omitempty"`
}

// The words of deletion for objects on a host.
const (
	DeletionRemove  = "remove"
	DeletionRestore = "restore"
)
