// Command gitserver serves folders as Git repositories over HTTP on loopback, for trying things out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/setpoint-dev/setpoint/test/gitserver"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gitserver:", err)
		os.Exit(1)
	}
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	token := flag.String("token", "", "password to ask for, with any user name")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(),
			"gitserver [flags] DIR...   serves each DIR (a repository, or any folder as one commit) and prints its URL")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		return errors.New("no folder to serve")
	}
	dir, err := os.MkdirTemp("", "gitserver-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server, err := gitserver.New(dir, gitserver.Options{Listen: *listen, Password: *token})
	if err != nil {
		return err
	}
	defer server.Stop()
	for _, folder := range flag.Args() {
		path, err := filepath.Abs(folder)
		if err != nil {
			return err
		}
		url, err := server.Add(path)
		if err != nil {
			return err
		}
		fmt.Println(url)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	return nil
}
