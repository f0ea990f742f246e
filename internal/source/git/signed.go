package git

import (
	"bytes"
	"strings"
)

// signedObject is a commit or an annotated tag, parted into what was signed and the signature.
type signedObject struct {
	payload   []byte
	signature []byte // nil when there is none
}

// signatureHeader begins the headers that hold signatures: gpgsig, and gpgsig-sha256 of a repository with other names.
const signatureHeader = "gpgsig"

// splitCommit takes the signature out of a commit. What was signed is the commit without any header that holds a signature, as Git does it.
func splitCommit(content []byte) signedObject {
	payload, signature := withoutSignatures(content)
	return signedObject{payload, signature}
}

// splitTag takes the signature out of an annotated tag, where it stands at the end of the message.
func splitTag(content []byte) signedObject {
	payload, _ := withoutSignatures(content)
	at := -1
	for i := 0; i >= 0 && i < len(payload); {
		if beginsSignature(payload[i:]) {
			at = i
		}
		next := bytes.IndexByte(payload[i:], '\n')
		if next < 0 {
			break
		}
		i += next + 1
	}
	if at < 0 {
		return signedObject{payload: payload}
	}
	return signedObject{payload[:at], payload[at:]}
}

func beginsSignature(line []byte) bool {
	for _, kind := range []string{"PGP SIGNATURE", "PGP MESSAGE", "SSH SIGNATURE", "SIGNED MESSAGE"} {
		if bytes.HasPrefix(line, []byte("-----BEGIN "+kind+"-----")) {
			return true
		}
	}
	return false
}

// withoutSignatures parts the headers that hold signatures from all the rest, and gives what the header gpgsig says. Several of them are
// given one after the other, which no signature is.
func withoutSignatures(content []byte) (rest, signature []byte) {
	rest = make([]byte, 0, len(content))
	inside, ours := false, false
	for len(content) > 0 {
		line := content
		if end := bytes.IndexByte(content, '\n'); end >= 0 {
			line = content[:end+1]
		}
		switch {
		case line[0] == '\n': // the headers end here
			return append(rest, content...), signature
		case inside && line[0] == ' ':
			if ours {
				signature = append(signature, line[1:]...)
			}
		case bytes.HasPrefix(line, []byte(signatureHeader)):
			value, of := bytes.CutPrefix(line, []byte(signatureHeader+" "))
			if inside, ours = true, of; ours {
				signature = append(signature, value...)
			}
		default:
			inside = false
			rest = append(rest, line...)
		}
		content = content[len(line):]
	}
	return rest, signature
}

// header gives the value of the first header of that name, "" when there is none.
func header(content []byte, name string) string {
	headers, _, _ := bytes.Cut(content, []byte("\n\n"))
	for line := range bytes.SplitSeq(headers, []byte("\n")) {
		if value, ok := bytes.CutPrefix(line, []byte(name+" ")); ok {
			return strings.TrimSpace(string(value))
		}
	}
	return ""
}
