package logs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

const (
	suffix = ".log"
	digits = 8
)

// fileName gives the name of a number, such that the order of names is that of numbers.
func fileName(dir string, number int) string {
	text := strconv.Itoa(number)
	return filepath.Join(dir, strings.Repeat("0", max(0, digits-len(text)))+text+suffix)
}

// numbers gives the files of a directory, the oldest first. One that is not there has none.
func numbers(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Transient, "read logs in", dir, err)
	}
	var found []int
	for _, entry := range entries {
		text, isLog := strings.CutSuffix(entry.Name(), suffix)
		number, err := strconv.Atoi(text)
		if isLog && err == nil && number > 0 && entry.Type().IsRegular() && entry.Name() == filepath.Base(fileName(dir, number)) {
			found = append(found, number)
		}
	}
	slices.Sort(found)
	return found, nil
}

// openFile opens one file to be read; nil for one that has gone.
func openFile(dir string, number int) (*os.File, error) {
	file, err := os.OpenFile(fileName(dir, number), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Transient, "read logs in", dir, err)
	}
	return file, nil
}
