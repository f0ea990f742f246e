package term

import "strings"

// bars are the heights of a column, in eighths of a line.
var bars = []rune("▁▂▃▄▅▆▇█")

// Spark draws numbers as bars on one line, a column each. The largest is as high as the line; zero, or less, is a dot, and what is
// small beside the largest is still a bar. No numbers give no text.
func Spark(values []int) string {
	most := 1
	for _, value := range values {
		most = max(most, value)
	}
	var line strings.Builder
	for _, value := range values {
		if value <= 0 {
			line.WriteRune('·')
			continue
		}
		height := int(float64(value) / float64(most) * float64(len(bars)))
		line.WriteRune(bars[min(max(height, 1), len(bars))-1])
	}
	return line.String()
}
