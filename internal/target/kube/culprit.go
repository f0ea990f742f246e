package kube

import "github.com/setpoint-dev/setpoint/internal/diff"

// ownership is who wrote which fields of an object (its managedFields), in a compact form that may be cached for thousands of
// objects: equal parts are shared. Safe for concurrent use.
type ownership struct{}

// readOwnership reads an object's metadata.managedFields.
func readOwnership(live map[string]any) ownership { return ownership{} }

// appliedBy says whether a manager has ever applied (server-side) the object and still owns something of it.
func (o ownership) appliedBy(manager string) bool { return false }

// owns says which fields a manager owns; for diff.Options.Owns.
func (o ownership) owns(manager string) func(diff.Path) bool { return nil }

// blame fills By and When of fields with whoever set them and is not manager. The fields are changed in place.
func (o ownership) blame(fields []diff.Field, manager string) {}

// abandoned gives the paths that manager owns by apply but that applied (the object exactly as it would be sent) no longer has.
func (o ownership) abandoned(applied map[string]any, manager string) []string { return nil }
