package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// Sample is the app that the demonstration runs: a web process and a worker, configured by their environment alone.
type Sample struct {
	Out    io.Writer
	Getenv func(string) string
}

// drainTime is how long the web process finishes what is under way after it was told to stop.
const drainTime = 5 * time.Second

// Serve is the web process: it answers on PORT until ctx ends, and then finishes what is under way. GREETING is what it says; with BROKEN
// set it never becomes healthy.
func (s Sample) Serve(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", s.Getenv("PORT")))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%s, from release %s, process %s, pid %d\n",
			s.Getenv("GREETING"), s.Getenv("APP_RELEASE"), s.Getenv("APP_PROCESS"), os.Getpid())
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if s.Getenv("BROKEN") != "" {
			http.Error(w, "BROKEN is set", http.StatusInternalServerError)
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: drainTime}
	stopped := make(chan error, 1)
	go func() { // ends with ctx, or with the server
		<-ctx.Done()
		drained, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		stopped <- server.Shutdown(drained)
	}()
	fmt.Fprintf(s.Out, "web listens on %s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	fmt.Fprintln(s.Out, "web stops")
	return <-stopped
}

// workEvery is the worker's rhythm.
const workEvery = 5 * time.Second

// Work is the worker: it writes a line from time to time until ctx ends.
func (s Sample) Work(ctx context.Context) error {
	ticker := time.NewTicker(workEvery)
	defer ticker.Stop()
	for order := 1; ; order++ {
		fmt.Fprintf(s.Out, "worker packs order %d\n", order)
		select {
		case <-ctx.Done():
			fmt.Fprintln(s.Out, "worker stops")
			return nil
		case <-ticker.C:
		}
	}
}
