package fault

import "errors"

// ErrUnverified is what every error is, by errors.Is, that says that something is not signed as it has to be. Such a thing is not applied,
// and waits for people: trying again does not help, and nothing has failed.
var ErrUnverified = errors.New("not verified")

// Unverified makes such an error, of kind Denied, whose cause is a plain sentence.
func Unverified(item, cause string) *Error {
	return &Error{Op: "verify", Item: item, Kind: Denied, Err: unverified(cause)}
}

type unverified string

func (u unverified) Error() string { return string(u) }

// Is says that the sentence is a case of ErrUnverified, which stands in no message itself.
func (u unverified) Is(target error) bool { return target == ErrUnverified }
