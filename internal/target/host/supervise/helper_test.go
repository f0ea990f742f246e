package supervise

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// roles are what the test's own program can be started as: its first argument says which.
var roles = map[string]func(args []string){
	"as:supervisor": beSupervisor,
	"as:server":     beServer,
	"as:sleeper":    beSleeper,
	"as:stubborn":   beStubborn,
	"as:tree":       beTree,
	"as:daemon":     beDaemon,
	"as:leaver":     beLeaver,
	"as:counter":    beCounter,
	"as:files":      beFiles,
	"as:told":       beTold,
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if role := roles[os.Args[1]]; role != nil {
			role(os.Args[2:])
			return
		}
	}
	os.Exit(m.Run())
}

// beSupervisor: DIR VERSION [IDLE].
func beSupervisor(args []string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	options := Options{Dir: args[0], Version: args[1], Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	if len(args) > 2 {
		options.Idle, _ = time.ParseDuration(args[2])
	}
	count := make(chan os.Signal, 1)
	signal.Notify(count, syscall.SIGUSR1)
	go func() {
		for range count {
			_ = writeAtomic(args[0]+"/goroutines", []byte(strconv.Itoa(runtime.NumGoroutine())))
		}
	}()
	if err := Main(ctx, options); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// beServer listens on PORT: /pid, /env, /healthz, /set?status=503, /slow?for=1s, /deaf?for=1s, /exit?code=3.
func beServer([]string) {
	status := atomic.Int64{}
	status.Store(http.StatusOK)
	mux := http.NewServeMux()
	address := "127.0.0.1:" + os.Getenv("PORT")
	listener, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	mux.HandleFunc("/pid", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getpid()) })
	mux.HandleFunc("/env", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(os.Environ()) })
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) })
	mux.HandleFunc("/set", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.FormValue("status"))
		status.Store(int64(code))
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		d, _ := time.ParseDuration(r.FormValue("for"))
		time.Sleep(d)
		fmt.Fprint(w, os.Getpid())
	})
	mux.HandleFunc("/exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.FormValue("code"))
		os.Exit(code)
	})
	var again atomic.Pointer[net.Listener]
	again.Store(&listener)
	mux.HandleFunc("/deaf", func(_ http.ResponseWriter, r *http.Request) {
		d, _ := time.ParseDuration(r.FormValue("for"))
		_ = (*again.Load()).Close()
		time.AfterFunc(d, func() {
			l, err := net.Listen("tcp", address)
			if err != nil {
				os.Exit(9)
			}
			again.Store(&l)
			_ = http.Serve(l, mux)
		})
	})
	fmt.Println("listening")
	_ = http.Serve(listener, mux)
	select {} // deaf, and alive
}

func beSleeper([]string) {
	fmt.Println("sleeping")
	time.Sleep(time.Hour)
}

// beStubborn ignores SIGTERM.
func beStubborn([]string) {
	signal.Ignore(syscall.SIGTERM)
	fmt.Println("stubborn")
	time.Sleep(time.Hour)
}

// beTree starts a child, a child that leads its own session, and a daemon that was forked twice; it says so, and stays or leaves.
func beTree(args []string) {
	for _, child := range []struct {
		role    string
		session bool
	}{{"as:stubborn", false}, {"as:sleeper", true}, {"as:daemon", true}} {
		command := exec.Command(os.Args[0], child.role)
		command.SysProcAttr = &syscall.SysProcAttr{Setsid: child.session}
		out, _ := command.StdoutPipe()
		if err := command.Start(); err != nil {
			os.Exit(8)
		}
		line, _ := bufio.NewReader(out).ReadString('\n')
		fmt.Printf("%s %d %s", child.role, command.Process.Pid, line)
	}
	fmt.Println("grown")
	if len(args) > 0 {
		code, _ := strconv.Atoi(args[0])
		os.Exit(code)
	}
	time.Sleep(time.Hour)
}

// beDaemon leaves a process behind that nothing but its environment connects to it.
func beDaemon([]string) {
	command := exec.Command(os.Args[0], "as:stubborn")
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	_ = command.Start()
	fmt.Println(command.Process.Pid)
}

// beLeaver: CODE [LINE...].
func beLeaver(args []string) {
	for _, line := range args[1:] {
		fmt.Println(line)
	}
	fmt.Fprint(os.Stderr, "an end without a newline")
	if args[0] == "KILL" {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	code, _ := strconv.Atoi(args[0])
	os.Exit(code)
}

// beCounter: N lines with their numbers, and then sleeps.
func beCounter(args []string) {
	n, _ := strconv.Atoi(args[0])
	for i := range n {
		fmt.Printf("line %d\n", i)
		if i%50 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	time.Sleep(time.Hour)
}

// beFiles says when the limit of open files is what its argument says.
func beFiles(args []string) {
	for range 5000 {
		var limit syscall.Rlimit
		_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
		if strconv.FormatUint(limit.Max, 10) == args[0] {
			fmt.Println("limited")
			break
		}
		time.Sleep(time.Millisecond)
	}
	time.Sleep(time.Hour)
}

// beTold exits with what the file that its argument names contains, and 9 when it is not there: a check's command.
func beTold(args []string) {
	content, err := os.ReadFile(args[0])
	if err != nil {
		os.Exit(9)
	}
	code, _ := strconv.Atoi(strings.TrimSpace(string(content)))
	if code < 0 {
		time.Sleep(time.Hour)
	}
	if os.Getenv("PORT") == "" || os.Getenv("GREETING") != "hello" {
		code = 7
	}
	os.Exit(code)
}
