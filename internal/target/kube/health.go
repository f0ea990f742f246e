package kube

import "github.com/setpoint-dev/setpoint/internal/state"

// assess says how an object is doing, from its own content. It is cheap and reads no clock; nil is Missing.
func assess(live map[string]any) state.Health { return state.Health{} }
