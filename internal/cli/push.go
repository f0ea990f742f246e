package cli

import (
	"context"
	"crypto"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/signature"
	"github.com/setpoint-dev/setpoint/internal/source/git"
	"github.com/setpoint-dev/setpoint/internal/source/oci"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// pushCall is one call of the command.
type pushCall struct {
	registryCall
	path, version, signKey string
	tags                   []string
	annotations            map[string]string
	force                  bool
}

func (s *session) pushCommand() *cobra.Command {
	call := pushCall{}
	command := &cobra.Command{
		Use:   "push oci://REGISTRY/REPOSITORY",
		Short: "Release a local folder as a version in a registry",
		Long: `Pack a local folder and push it to a registry as a version, for Syncs to take as a source or an
import. The same content gives the same digest on every machine; what the registry has already is not
sent again. A version is released once: pushing another content under it is refused.

Of a folder in a Git repository, the artifact tells the commit, its time and its author. When the
folder holds something else than the commit, the artifact tells that too. Git's own files are left
out. SOURCE_DATE_EPOCH gives another time of creation, in seconds since 1970.

With --sign-key the artifact is signed as cosign does it. The key is one of cosign, or one in PKCS #8;
SETPOINT_SIGN_PASSWORD is its password.` + credentialsHelp + codes(),
		Example: `  setpoint push oci://registry.example.com/fleet/base --path base --version 1.4.0
  setpoint push oci://registry.example.com/fleet/base --path base --version 1.4.0 --tag latest
  setpoint push oci://registry.example.com/fleet/base --path base --version 1.4.0 --sign-key cosign.key`,
		Args: oneReference,
	}
	flags := command.Flags()
	flags.StringVar(&call.path, "path", "", "the folder")
	flags.StringVar(&call.version, "version", "", "the version: 1.4.0")
	flags.StringSliceVar(&call.tags, "tag", nil, "set this tag too, which may move: latest (repeatable)")
	flags.StringVar(&call.signKey, "sign-key", "", "sign with the private key in this file")
	flags.StringToStringVar(&call.annotations, "annotation", nil, "NAME=VALUE, to be told by the artifact (repeatable)")
	flags.BoolVar(&call.force, "force", false, "replace a version that is released already")
	call.asksRegistry(command)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case call.path == "":
			return misused("--path is missing", "name the folder to push")
		case call.version == "":
			return misused("--version is missing", "give the release a version, like 1.4.0")
		}
		ctx, cancel := bounded(cmd)
		defer cancel()
		return s.push(ctx, args[0], call)
	}
	return command
}

// oneReference wants the name of something in a registry.
func oneReference(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return misused("one name of a repository is wanted", "write it like oci://registry.example.com/fleet/base")
	}
	return nil
}

func (s *session) push(ctx context.Context, reference string, call pushCall) error {
	repository, err := s.repository(reference, call.registryCall)
	if err != nil {
		return err
	}
	if repository.Reference() != "" {
		return misused("the name holds a tag or digest", "give the version by --version, and other tags by --tag")
	}
	if _, err := semver.StrictNewVersion(strings.TrimPrefix(call.version, "v")); err != nil {
		return misused("--version "+call.version+" is no version, and no range would ever take it",
			"write it like 1.4.0 or 1.5.0-rc.1; other names are tags: --tag, or `setpoint tag`")
	}
	if err := checkTags(slices.Concat(call.tags, []string{call.version})...); err != nil {
		return err
	}
	key, err := s.signingKey(call.signKey) // before anything is released
	if err != nil {
		return err
	}
	root, inside, err := checkout(call.path)
	if err != nil {
		return err
	}
	folder, err := os.OpenRoot(filepath.Join(root, filepath.FromSlash(inside)))
	if err != nil {
		return noFolder(call.path)
	}
	defer func() { _ = folder.Close() }()
	opts := oci.PushOptions{Version: call.version, Tags: call.tags, Annotations: map[string]string{}, Force: call.force}
	origin, err := git.OriginOf(root, inside, oci.Released(folder.FS()))
	if err != nil {
		return err
	}
	if err := s.describeOrigin(&opts, origin); err != nil {
		return err
	}
	maps.Copy(opts.Annotations, call.annotations)
	pushed, err := repository.Push(ctx, folder.FS(), opts)
	if err != nil {
		return err
	}
	signed := false
	if key != nil {
		if signed, err = repository.At(string(pushed.Digest)).Sign(ctx, key); err != nil {
			return err
		}
		pushed.Signed = true
	}
	return s.out.Show(s.format, pushed, func() { s.printPushed(pushed, signed) })
}

// describeOrigin says in the annotations where the content is from.
func (s *session) describeOrigin(opts *oci.PushOptions, origin *git.Origin) error {
	if origin != nil {
		opts.Created = origin.Time
		for name, value := range map[string]string{
			oci.AnnotationSource: origin.URL, oci.AnnotationRevision: origin.Commit, oci.AnnotationAuthors: origin.Author,
			oci.AnnotationSubject: origin.Subject,
		} {
			if value != "" {
				opts.Annotations[name] = value
			}
		}
		if origin.Dirty {
			opts.Annotations[oci.AnnotationDirty] = "true"
			s.err.Line(s.err.Paint(term.Warn, "note:"), " the folder holds something else than the commit "+
				origin.Commit[:7]+": the artifact tells so")
		}
	}
	epoch := s.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		return nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil || seconds < 0 {
		return usage{fault.New(fault.Invalid, "read", "SOURCE_DATE_EPOCH", "it is not a number of seconds since 1970")}
	}
	opts.Created = time.Unix(seconds, 0)
	return nil
}

// signingKey reads the key in a file; nil for "".
func (s *session) signingKey(file string) (crypto.Signer, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // without a key nothing is signed
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, usage{fault.New(fault.Invalid, "read", file, "the signing key cannot be read").
			WithHint("check the path and its rights")}
	}
	return signature.PrivateKey(pem, []byte(s.Getenv("SETPOINT_SIGN_PASSWORD")))
}

func (s *session) printPushed(pushed oci.Pushed, signed bool) {
	what := "pushed"
	if !pushed.Uploaded {
		what = "already there:"
	}
	s.out.Line(what, " "+pushed.Reference)
	if tag := oci.TagOf(pushed.Version); tag != pushed.Version {
		s.out.Line("  version ", pushed.Version, ", whose tag is ", tag, ": a tag cannot hold +")
	}
	s.out.Line("  digest  ", string(pushed.Digest))
	s.out.Line("  size    ", strconv.FormatInt(pushed.Size, 10), " bytes")
	if len(pushed.Tags) > 0 {
		s.out.Line("  tags    ", strings.Join(pushed.Tags, ", "))
	}
	switch {
	case signed:
		s.out.Line("  signed")
	case pushed.Signed:
		s.out.Line("  signed before, by the same key")
	}
}
