package v1alpha1

import (
	"encoding/json"
	"fmt"
	"time"
)

// Duration is a span of time written as Go does: "30s", "5m", "1h30m".
type Duration time.Duration

// String gives the Go form.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes the Go form as a string.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads the Go form; negative spans are an error.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("want a duration such as \"30s\" or \"5m\"")
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is not a duration: want for example \"30s\" or \"5m\"", text)
	}
	if parsed < 0 {
		return fmt.Errorf("%q is negative", text)
	}
	*d = Duration(parsed)
	return nil
}
