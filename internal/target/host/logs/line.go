// Package logs keeps the output of an app's processes in files of a bounded size, and reads it again. Each process type has a directory
// with files 00000001.log, 00000002.log, …; the last one is written to, and the oldest go. Nothing is renamed, so that a reader who
// follows has only to go on with the next number. A line says when, who, and where:
//
//	2026-11-24T18:44:54.123456789Z shop/web.1 v3 stdout listening on 40001
//
// The files: line.go is that form; segment.go the files of a directory; writer.go and rotate.go write them; backward.go and forward.go read
// one directory from its end and from its beginning; read.go merges those of an app.
package logs

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

const (
	// MaxText is how long the text of a line can be, in bytes; what is longer goes on in the next line.
	MaxText = 64 << 10
	// maxNames bounds what stands before the text, in bytes.
	maxNames = 512
	maxLine  = maxNames + MaxText + 1
	// timeLayout is in UTC and has always the same length, so that the order of texts is the order of times.
	timeLayout = "2006-01-02T15:04:05.000000000Z"
)

// checkNames refuses names that would not be found again in a line.
func checkNames(l v1alpha1.LogLine) error {
	if l.Process == "" || l.Stream == "" {
		return fault.New(fault.Invalid, "write a log line of", l.App, "process and stream have to be named")
	}
	names := l.App + l.Process + l.Stream
	if len(names) > maxNames-len(timeLayout)-len(" / v ")-20 || strings.ContainsAny(names, " /\n") || !utf8.ValidString(names) {
		return fault.New(fault.Invalid, "write a log line of", l.App, "the names of app, process and stream cannot be told apart")
	}
	return nil
}

// appendLine appends one line in the form of the files. The text has no line break in it.
func appendLine(to []byte, l v1alpha1.LogLine, text string) []byte {
	to = l.Time.UTC().AppendFormat(to, timeLayout)
	to = append(to, ' ')
	to = append(to, l.App...)
	to = append(to, '/')
	to = append(to, l.Process...)
	to = append(to, " v"...)
	to = strconv.AppendInt(to, int64(l.Release), 10)
	to = append(to, ' ')
	to = append(to, l.Stream...)
	to = append(to, ' ')
	to = append(to, text...)
	return append(to, '\n')
}

// pieces gives a text in parts that fit into lines. Line breaks end a part, and bytes that are not UTF-8 are replaced.
func pieces(text string, most int) func(yield func(string) bool) {
	text = strings.ToValidUTF8(strings.TrimSuffix(text, "\n"), string(utf8.RuneError))
	return func(yield func(string) bool) {
		for part := range strings.SplitSeq(text, "\n") {
			for len(part) > most {
				cut := most
				for !utf8.RuneStart(part[cut]) {
					cut--
				}
				if !yield(part[:cut]) {
					return
				}
				part = part[cut:]
			}
			if !yield(part) {
				return
			}
		}
	}
}

// parseLine reads a line without its line break; what is torn, or no line at all, is none.
func parseLine(line []byte) (v1alpha1.LogLine, bool) {
	when, ok := parseTime(line)
	if !ok || len(line) > maxLine {
		return v1alpha1.LogLine{}, false
	}
	fields := strings.SplitN(string(line[len(timeLayout):]), " ", 5)
	if len(fields) != 5 || fields[0] != "" {
		return v1alpha1.LogLine{}, false
	}
	app, process, named := strings.Cut(fields[1], "/")
	number, versioned := strings.CutPrefix(fields[2], "v")
	release, err := strconv.Atoi(number)
	if !named || process == "" || !versioned || err != nil || fields[3] == "" {
		return v1alpha1.LogLine{}, false
	}
	text := strings.ToValidUTF8(fields[4], string(utf8.RuneError))
	return v1alpha1.LogLine{Time: when, App: app, Process: process, Release: release, Stream: fields[3], Text: text}, true
}

// parseTime reads the time that a line begins with.
func parseTime(line []byte) (time.Time, bool) {
	if len(line) < len(timeLayout) {
		return time.Time{}, false
	}
	when, err := time.Parse(timeLayout, string(line[:len(timeLayout)]))
	return when, err == nil
}
