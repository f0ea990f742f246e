// Command sample is the app that tests of the host target run: a small web server that can be told, by its environment and by requests,
// to be late, sick, deaf or gone.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "sample:", err)
		os.Exit(1)
	}
}

func run() error {
	if code, err := strconv.Atoi(os.Getenv("EXIT")); err == nil {
		fmt.Fprintln(os.Stderr, "the last words of", os.Getenv("VERSION"))
		os.Exit(code)
	}
	if _, err := os.Stat(os.Getenv("NEEDS")); os.Getenv("NEEDS") != "" && err != nil {
		fmt.Fprintln(os.Stderr, "cannot do without", os.Getenv("NEEDS"))
		os.Exit(7)
	}
	if delay, err := time.ParseDuration(os.Getenv("DELAY")); err == nil {
		time.Sleep(delay)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler(listener), ReadHeaderTimeout: time.Minute}
	stopped := make(chan error, 1)
	go func() { // ends with the signal
		<-ctx.Done()
		stopped <- server.Shutdown(context.Background())
	}()
	fmt.Println(os.Getenv("VERSION"), "serves on", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		<-ctx.Done() // deaf, and alive
	}
	fmt.Println(os.Getenv("VERSION"), "ends")
	return <-stopped
}

func handler(listener net.Listener) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if pause, err := time.ParseDuration(r.URL.Query().Get("pause")); err == nil {
			time.Sleep(pause)
		}
		fmt.Fprintf(w, "%s %d", os.Getenv("VERSION"), os.Getpid())
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if sick := os.Getenv("SICK"); sick != "" {
			http.Error(w, sick, http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("POST /exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.URL.Query().Get("code"))
		os.Exit(code)
	})
	mux.HandleFunc("POST /deafen", func(w http.ResponseWriter, _ *http.Request) {
		_ = listener.Close()
		fmt.Fprint(w, os.Getpid())
	})
	mux.HandleFunc("POST /fork", func(w http.ResponseWriter, r *http.Request) {
		child := exec.CommandContext(context.WithoutCancel(r.Context()), "sleep", "1000")
		if err := child.Start(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, child.Process.Pid)
	})
	mux.HandleFunc("GET /env", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Join(os.Environ(), "\n")) })
	return mux
}
