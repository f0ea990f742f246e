package oci

import (
	"strings"
	"time"
	"unicode"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// Annotations of what Setpoint releases: those of the specification of OCI images, and its own.
const (
	AnnotationSource   = ocispec.AnnotationSource
	AnnotationRevision = ocispec.AnnotationRevision
	AnnotationAuthors  = ocispec.AnnotationAuthors
	// AnnotationSubject is the first line of the message of the commit that was packed.
	AnnotationSubject = "dev.setpoint.subject"
	// AnnotationDirty is "true" when what was packed is not what the commit holds.
	AnnotationDirty = "dev.setpoint.dirty"
)

// maxAnnotation bounds what is taken over from an annotation, in letters.
const maxAnnotation = 300

// revisionOf says where an artifact is from, by its annotations: whoever pushed it may write anything there, so they only inform.
func revisionOf(id digest.Digest, ref string, annotations map[string]string) state.Revision {
	said := func(name string) string { return oneLine(annotations[name]) }
	revision := state.Revision{ID: string(id), Ref: ref, Author: said(ocispec.AnnotationAuthors), Message: said(AnnotationSubject)}
	if revision.Message == "" {
		revision.Message = originOf(said(ocispec.AnnotationRevision), said(ocispec.AnnotationSource))
	}
	if revision.Message == "" {
		revision.Message = said(ocispec.AnnotationDescription)
	}
	if created, err := time.Parse(time.RFC3339, annotations[ocispec.AnnotationCreated]); err == nil {
		revision.Time = created.UTC()
	}
	return revision
}

func originOf(revision, source string) string {
	switch {
	case revision != "" && source != "":
		return revision + " of " + source
	case revision != "":
		return revision
	case source != "":
		return "from " + source
	}
	return ""
}

func oneLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(strings.ToValidUTF8(text, "")), "\n")
	line = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, line)
	if letters := []rune(line); len(letters) > maxAnnotation {
		return string(letters[:maxAnnotation]) + "…"
	}
	return line
}
