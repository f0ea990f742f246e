package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/scaffold"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// beginning is what `setpoint init` did.
type beginning struct {
	For       string            `json:"for"`
	Why       string            `json:"why"` // of For
	Name      string            `json:"name"`
	Directory string            `json:"directory"`
	Files     []scaffold.Placed `json:"files"`
	Next      []string          `json:"next"` // commands, to be given in Directory
}

func (s *session) initCommand() *cobra.Command {
	var system, name string
	var force bool
	command := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a commented repository to start from, for a host or a cluster",
		Long: `Write a commented repository to start from into a directory, by default this one: a root that
declares Syncs (hosts/NAME or clusters/NAME), an app with a base and overlays for staging and
production, and a README with the next commands. "setpoint render", "diff" and "run" accept it at
once.

Nothing is overwritten: where a file with another content is in the way, nothing at all is written.
Without --for it is for Kubernetes where there is a kubeconfig or this is a pod, else for this host.` + codes(),
		Example: `  setpoint init
  setpoint init fleet --for host --name web-1
  setpoint init fleet --for kubernetes --name eu-1`,
		Args: cobra.MaximumNArgs(1),
	}
	flags := command.Flags()
	flags.StringVar(&system, "for", "", "host or kubernetes (default: what is found here)")
	flags.StringVar(&name, "name", "", "of the host or cluster (default: of this host, or main for a cluster)")
	flags.BoolVar(&force, "force", false, "replace files that are there with another content")
	command.RunE = func(_ *cobra.Command, args []string) error {
		made, err := s.begin(system, name)
		if err != nil {
			return err
		}
		if made.Directory, err = filepath.Abs(optional(args)); err != nil {
			return err
		}
		files, err := scaffold.Repository(made.For, made.Name)
		if err != nil {
			return err
		}
		if made.Files, err = scaffold.Place(made.Directory, files, force); err != nil {
			return err
		}
		return s.out.Show(s.format, made, func() { s.printBeginning(made) })
	}
	return command
}

// begin decides what the repository is for.
func (s *session) begin(system, name string) (beginning, error) {
	made := beginning{For: system, Why: "--for says so", Name: name}
	switch system {
	case "":
		made.For, made.Why = s.whatIsHere()
	case scaffold.Host, scaffold.Kubernetes:
	default:
		return made, usage{fault.New(fault.Invalid, "read", "--for", fmt.Sprintf("%q is not known", system)).
			WithHint("want host or kubernetes")}
	}
	if made.Name == "" {
		made.Name = "main"
		if host, err := os.Hostname(); err == nil && made.For == scaffold.Host {
			made.Name = asName(host)
		}
	}
	check := v1alpha1.Source{Metadata: v1alpha1.Metadata{Name: made.Name}, Spec: v1alpha1.SourceSpec{
		Git: &v1alpha1.GitSource{URL: "https://example.com/"}, // only the name is to be checked
	}}
	if check.Validate() != nil {
		return made, usage{fault.New(fault.Invalid, "read", "--name", fmt.Sprintf("%q is not a name", made.Name)).
			WithHint("want at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit")}
	}
	root := scaffold.Root(made.For, made.Name)
	made.Next = []string{
		`git init --initial-branch=main && git add . && git commit --message "Begin"`,
		"setpoint render apps/hello/overlays/production",
		"setpoint diff --path " + root,
		`setpoint run --source "file://$PWD" --path ` + root,
	}
	if made.For == scaffold.Host { // a trial needs no rights, and touches nothing outside
		const apart = ` --kubernetes off --data "$PWD/.setpoint/data" --host-root "$PWD/.setpoint/root"`
		made.Next[2] = "mkdir -p .setpoint/root && " + made.Next[2] + apart
		made.Next[3] += apart
	}
	return made, nil
}

var unnamed = regexp.MustCompile(`[^a-z0-9]+`)

// asName makes a DNS label of the first part of a host's name.
func asName(host string) string {
	first, _, _ := strings.Cut(strings.ToLower(host), ".")
	name := strings.Trim(unnamed.ReplaceAllString(first, "-"), "-")
	if name = strings.TrimRight(name[:min(len(name), 63)], "-"); name == "" {
		return "main"
	}
	return name
}

// whatIsHere looks for a cluster where an agent would, and says what it found.
func (s *session) whatIsHere() (system, why string) {
	if s.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		return scaffold.Kubernetes, "this is a pod of a cluster"
	}
	candidates := filepath.SplitList(s.Getenv("KUBECONFIG"))
	if home := s.Getenv("HOME"); home != "" && len(candidates) == 0 {
		candidates = []string{filepath.Join(home, ".kube", "config")}
	}
	for _, file := range candidates {
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return scaffold.Kubernetes, "there is a kubeconfig, " + file
		}
	}
	return scaffold.Host, "there is no kubeconfig"
}

func (s *session) printBeginning(made beginning) {
	s.out.Line("For ", s.out.Paint(term.Bold, made.For), ", because ", term.Clean(made.Why), ".")
	s.out.Line()
	s.out.Tree([]term.Node{folder(made.Directory, made.Files)})
	s.out.Line()
	s.out.Line("Next, in that folder:")
	s.out.Line()
	for _, command := range made.Next {
		s.out.Line("  ", command)
	}
}

// folder makes a tree of paths that are in order.
func folder(name string, files []scaffold.Placed) term.Node {
	node := term.Node{Cells: []term.Cell{{Text: name, Style: term.Bold}}}
	for i := 0; i < len(files); {
		first, _, below := strings.Cut(files[i].Path, "/")
		if !below {
			cells := []term.Cell{{Text: first}}
			if files[i].State == scaffold.Unchanged {
				cells = append(cells, term.Cell{Text: files[i].State, Style: term.Dim})
			}
			node.Children = append(node.Children, term.Node{Cells: cells})
			i++
			continue
		}
		var inside []scaffold.Placed
		for ; i < len(files); i++ {
			rest, ok := strings.CutPrefix(files[i].Path, first+"/")
			if !ok {
				break
			}
			inside = append(inside, scaffold.Placed{Path: rest, State: files[i].State})
		}
		node.Children = append(node.Children, folder(first, inside))
	}
	return node
}
