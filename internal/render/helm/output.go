package helm

import (
	"fmt"
	"strings"
)

// output is what one template writes, within the budget.
type output struct {
	text   strings.Builder
	budget *budget
}

// Write implements io.Writer. What is too long is an error, which ends the template.
func (o *output) Write(data []byte) (int, error) {
	b := o.budget
	if int64(o.text.Len()+len(data)) > b.output {
		return 0, refusal{fmt.Sprintf("a template gives more than %d MiB of text", b.output>>20)}
	}
	if b.steps--; b.steps < 0 {
		return 0, refusal{"the templates write more often than is allowed: there is a loop that is too long"}
	}
	if b.made -= int64(len(data)); b.made < 0 {
		return 0, refusal{fmt.Sprintf("the templates make more than %d MiB of values", defaultLimits.made>>20)}
	}
	return o.text.Write(data)
}
