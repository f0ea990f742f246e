package kube

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/state"
)

const (
	maxRecord        = 1 << 20  // bytes that the server takes in a Secret
	maxRelease       = 64 << 20 // bytes of a release's JSON, unpacked
	maxRecordText    = 1000     // bytes of a description
	digestCharacters = 40       // of a desired state's digest, in a label
)

// releaseContent is a release in Helm's JSON form, member by member: what it has that is not known here is kept.
type releaseContent map[string]json.RawMessage

func parseRelease(data []byte) (releaseContent, error) {
	var content releaseContent
	if err := unmarshalBrief(data, &content); err != nil {
		return nil, err
	}
	if content == nil {
		return nil, errors.New("it is no release")
	}
	return content, nil
}

// info gives what is said of the release.
func (c releaseContent) info() map[string]json.RawMessage { return c.member("info") }

func (c releaseContent) member(name string) map[string]json.RawMessage {
	var content map[string]json.RawMessage
	if unmarshalBrief(c[name], &content) != nil || content == nil {
		return map[string]json.RawMessage{}
	}
	return content
}

// with gives the release with another value of a member.
func (c releaseContent) with(name string, value any) releaseContent {
	changed := maps.Clone(c)
	changed[name] = textJSON(value)
	return changed
}

// textJSON writes a value that has a JSON form.
func textJSON(value any) json.RawMessage {
	data, err := json.Marshal(value)
	if err != nil {
		return json.RawMessage("null")
	}
	return data
}

// newRelease is a record that is to be written.
type newRelease struct {
	request       RecordRequest
	version       int
	content       releaseContent
	custom        map[string]string
	now           time.Time
	firstDeployed json.RawMessage
	continues     bool // there is a release already
	rolledBackTo  int  // the version of the record that is gone back to, 0 for none
}

func (n newRelease) status() string {
	if n.request.Failed != "" {
		return statusFailed
	}
	return statusDeployed
}

// description says what happened, in Helm's words as far as it has any.
func (n newRelease) description() string {
	what := "Install"
	if n.continues {
		what = "Upgrade"
	}
	switch {
	case n.rolledBackTo > 0:
		what = "Rollback to " + strconv.Itoa(n.rolledBackTo)
	case n.request.RolledBack:
		what = "Rollback complete"
	case n.request.Failed == "":
		what += " complete"
	}
	by := "Setpoint"
	if n.request.Revision != "" {
		by += ", " + n.request.Revision
	}
	text := what + " (" + by + ")"
	if n.request.Failed != "" {
		text = what + " failed (" + by + "): " + n.request.Failed
	}
	if len(text) > maxRecordText {
		text = strings.ToValidUTF8(text[:maxRecordText], "") + "..."
	}
	return text
}

// release gives the whole content.
func (n newRelease) release() releaseContent {
	before := n.content.info()
	info := map[string]json.RawMessage{
		"first_deployed": textJSON(n.now), "last_deployed": textJSON(n.now),
		"status": textJSON(n.status()), "description": textJSON(n.description()),
	}
	if notes, ok := before["notes"]; ok {
		info["notes"] = notes
	}
	if n.continues && n.firstDeployed != nil {
		info["first_deployed"] = n.firstDeployed
	}
	if n.rolledBackTo > 0 {
		info["rollback_revision"] = textJSON(n.rolledBackTo)
	}
	content := n.content.with("name", n.request.Release.Name).with("namespace", n.request.Release.Namespace).
		with("version", n.version).with("info", info)
	if _, said := content["apply_method"]; !said {
		content = content.with("apply_method", "ssa") // what a helm upgrade goes on with
	}
	return content
}

// spare are the parts that a record may do without, in the order in which they go: no command but a new installation needs them.
var spare = []struct{ member, name string }{
	{"files", "the chart's files"}, {"schema", "the chart's schema of values"}, {"templates", "the chart's templates"},
}

// encode gives the record's text. What there is no room for is left out, and named.
func (n newRelease) encode() (text []byte, left []string, err error) {
	content := n.release()
	for _, part := range spare {
		if text, err = encodeRelease(content); err != nil || len(text) <= maxRecord {
			return text, left, err
		}
		chart := content.member("chart")
		delete(chart, part.member)
		content = content.with("chart", chart)
		left = append(left, part.name)
	}
	if text, err = encodeRelease(content); err == nil && len(text) > maxRecord {
		err = fmt.Errorf("it is larger than the %d bytes that a Secret holds, even without %s", maxRecord, spare[0].name)
	}
	return text, left, err
}

// encodeRelease writes a release as Helm stores it: JSON, in gzip, in base64.
func encodeRelease(content releaseContent) ([]byte, error) {
	data, err := json.Marshal(content)
	if err != nil {
		return nil, errors.New("it has no JSON form")
	}
	if len(data) > maxRelease {
		return nil, fmt.Errorf("it is larger than %d bytes", maxRelease)
	}
	var packed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	_, err = writer.Write(data)
	if err := errors.Join(err, writer.Close()); err != nil {
		return nil, err
	}
	return base64.StdEncoding.AppendEncode(nil, packed.Bytes()), nil
}

// decodeRelease reads it; old releases are not packed.
func decodeRelease(text []byte) (releaseContent, error) {
	data, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return nil, errors.New("it is not base64")
	}
	if !bytes.HasPrefix(data, []byte{0x1f, 0x8b, 0x08}) {
		return parseRelease(data)
	}
	reader, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, errors.New("it is not gzip")
	}
	data, err = io.ReadAll(io.LimitReader(reader, maxRelease+1))
	switch {
	case err != nil:
		return nil, errors.New("it is not gzip")
	case len(data) > maxRelease:
		return nil, fmt.Errorf("it is larger than %d bytes", maxRelease)
	}
	return parseRelease(data)
}

// unmarshalBrief is json.Unmarshal, whose errors hold nothing of what is read: it may be secret.
func unmarshalBrief(data []byte, into any) error {
	if json.Unmarshal(data, into) != nil {
		return errors.New("it is not the JSON that is expected")
	}
	return nil
}

// ownerLabel writes an owner as a label's value, where that is possible.
func ownerLabel(who state.Owner) string {
	name := parentName(who)
	if len(name) > 63 {
		return applySetID(name)
	}
	return name
}

// digestLabel shortens a digest for a label.
func digestLabel(digest state.Digest) string {
	return string(digest[:min(len(digest), digestCharacters)])
}

func versionText(version int) string { return strconv.Itoa(version) }
