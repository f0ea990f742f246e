package term

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Clean takes out of a text what could steer a terminal (escape sequences, carriage returns, direction marks): names and messages
// come from repositories and clusters, which are not trusted. Line breaks and tabs become spaces.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u200d' || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, text)
}

// Width gives the columns that a clean text takes on a terminal: two for wide East Asian characters and emoji, none for
// combining marks.
func Width(text string) int {
	columns := 0
	for _, r := range text {
		columns += runeWidth(r)
	}
	return columns
}

func runeWidth(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Cut shortens a clean text to at most so many columns, with an ellipsis where something is missing.
func Cut(text string, columns int) string {
	if Width(text) <= columns {
		return text
	}
	used := 0
	for at, r := range text {
		if used+runeWidth(r) > columns-1 {
			return strings.TrimRight(text[:at], " ") + "…"
		}
		used += runeWidth(r)
	}
	return text
}

// Pad fills a text up with spaces.
func Pad(text string, columns int) string {
	return text + strings.Repeat(" ", max(0, columns-Width(text)))
}
