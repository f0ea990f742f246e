package helm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"path"
	"strings"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
)

// maxPacked is how deep packed charts may hold packed charts.
const maxPacked = 8

// unpack puts the files of packed subcharts (charts/redis-1.0.0.tgz) into the place of their archives. Helm does it too, with a bound for
// each archive by itself; here one bound is for all of them together.
func (r *reading) unpack(files []*archive.BufferedFile, depth int) ([]*archive.BufferedFile, error) {
	var all []*archive.BufferedFile
	for _, file := range files {
		if !packed(file.Name) {
			all = append(all, file)
			continue
		}
		if depth >= maxPacked {
			return nil, r.invalid(file.Name, "charts within charts within charts")
		}
		inside, err := r.untar(file)
		if err == nil {
			inside, err = r.unpack(inside, depth+1)
		}
		if err != nil {
			return nil, err
		}
		if all = append(all, inside...); len(all) > maxChartFiles {
			return nil, r.fits(file.Name, r.left+1)
		}
	}
	return all, nil
}

// packed says whether a file is a packed subchart: directly below a directory charts, at any depth.
func packed(name string) bool {
	base := path.Base(name)
	dir := path.Dir(name)
	return path.Ext(base) == ".tgz" && strings.IndexAny(base, "_.") != 0 && (dir == "charts" || strings.HasSuffix(dir, "/charts")) &&
		!strings.Contains("/"+name, "/templates/")
}

// untar gives the files of a packed chart, in a directory beside it, which its name cannot be confused with.
func (r *reading) untar(packed *archive.BufferedFile) ([]*archive.BufferedFile, error) {
	refuse := func(cause string) error { return r.invalid(packed.Name, cause) }
	unzipped, err := gzip.NewReader(bytes.NewReader(packed.Data))
	if err != nil {
		return nil, refuse("it is no packed chart: " + err.Error())
	}
	into := strings.TrimSuffix(packed.Name, ".tgz") + ".packed"
	var files []*archive.BufferedFile
	// Padding and headers are read too, and count.
	all := io.LimitReader(unzipped, 2*r.left+maxChartFile)
	for entries := tar.NewReader(all); ; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, refuse("it cannot be unpacked: " + err.Error())
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		top, name, below := strings.Cut(path.Clean(strings.ReplaceAll(header.Name, `\`, "/")), "/")
		if !below || top == ".." || top == "" {
			return nil, refuse("it has a file that is not in the directory of the chart")
		}
		if err := r.fits(packed.Name, header.Size); err != nil {
			return nil, err
		}
		data, err := io.ReadAll(io.LimitReader(entries, header.Size))
		if err != nil {
			return nil, refuse("it cannot be unpacked: " + err.Error())
		}
		if err := r.take(&files, path.Join(into, name), data); err != nil {
			return nil, err
		}
		if len(files) > maxChartFiles {
			return nil, r.fits(packed.Name, r.left+1)
		}
	}
}
