package integration_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"
)

// startTimeout bounds the wait for a program to answer, on a busy machine.
const startTimeout = 20 * time.Second

// nginxConfig runs nginx in the foreground and keeps every file below Dir, so
// that it needs no privileges. Started by root, its worker stays root, because
// nobody else can enter Dir.
//
// The access log holds one line per request: the number of its connection, the
// status of the answer and the method.
var nginxConfig = template.Must(template.New("nginx.conf").Parse(`
{{if .Root}}user root;{{end}}
daemon off;
worker_processes 1;
worker_shutdown_timeout 10s;
pid {{.Dir}}/nginx.pid;
error_log {{.Dir}}/error.log notice;
events { worker_connections 256; }
http {
	log_format facts '$connection $status $request_method';
	access_log {{.Dir}}/access.log facts;
	client_body_temp_path {{.Dir}}/body;
	proxy_temp_path {{.Dir}}/proxy;
	fastcgi_temp_path {{.Dir}}/fastcgi;
	uwsgi_temp_path {{.Dir}}/uwsgi;
	scgi_temp_path {{.Dir}}/scgi;
	limit_req_zone $binary_remote_addr zone=api:1m rate={{.Limit.PerSecond}}r/s;
	limit_req_status {{.Limit.Status}};
	map $status $wait { default ""; {{.Limit.Status}} "{{.Limit.RetryAfter}}"; }
	server {
		listen 127.0.0.1:{{.Port}};
		location = /ready { access_log off; return 200 "{{.Dir}}"; }
		location / {
			limit_req zone=api{{with .Limit.Burst}} burst={{.}} nodelay{{end}};
			add_header Retry-After $wait always;
			proxy_pass {{.Upstream}};
		}
	}
}
`))

// limit is nginx's limit_req. It lets through 1+Burst requests at once and
// PerSecond after that, and refuses the others with Status.
type limit struct {
	PerSecond  int
	Burst      int
	Status     int
	RetryAfter string // header of a refusal; "" sends none
}

// nginx is a running nginx.
type nginx struct {
	URL     string
	program string
	dir     string
	cmd     *exec.Cmd
	exited  chan struct{} // closed when cmd has ended
}

// startNginx runs nginx with l in front of h until the test ends.
func startNginx(t *testing.T, l limit, h http.Handler) *nginx {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		// Debian's place for it, which is not in the PATH of every user.
		program, err = exec.LookPath("/usr/sbin/nginx")
	}
	require.NoError(t, err, "nginx is missing: internal/integration/run installs it")
	upstream := httptest.NewServer(h)
	t.Cleanup(upstream.Close)

	// Another program can take a free port before nginx does, another test's
	// nginx among them.
	const attempts = 3
	for attempt := 1; ; attempt++ {
		n, err := runNginx(t, program, l, upstream.URL)
		if err == nil {
			t.Cleanup(n.stop)
			return n
		}
		require.Less(t, attempt, attempts, "nginx does not start: %v", err)
	}
}

func runNginx(t *testing.T, program string, l limit, upstream string) (*nginx, error) {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	writeConfig(t, filepath.Join(dir, "nginx.conf"), map[string]any{
		"Dir": dir, "Limit": l, "Port": port, "Root": os.Geteuid() == 0, "Upstream": upstream,
	})
	n := &nginx{URL: "http://127.0.0.1:" + strconv.Itoa(port), program: program, dir: dir}
	return n, n.start(t)
}

// start runs the program and returns when it answers.
func (n *nginx) start(t *testing.T) error {
	t.Helper()
	n.cmd = exec.Command(n.program, "-p", n.dir, "-e", filepath.Join(n.dir, "error.log"), "-c", filepath.Join(n.dir, "nginx.conf"))
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that kill reaches its worker too
	endWithTests(n.cmd)
	require.NoError(t, n.cmd.Start())
	exited := make(chan struct{})
	n.exited = exited
	go func(cmd *exec.Cmd) {
		defer close(exited)
		_ = cmd.Wait() // an early end shows in the log, a late one was asked for
	}(n.cmd)
	if err := waitReady(t.Context(), n.URL+"/ready", n.dir, exited); err != nil {
		n.stop()
		log, _ := os.ReadFile(filepath.Join(n.dir, "error.log"))
		return fmt.Errorf("%w\n%s", err, log)
	}
	return nil
}

// stop ends it gracefully, so that each answer that was seen is logged.
func (n *nginx) stop() {
	_ = n.cmd.Process.Signal(syscall.SIGQUIT)
	<-n.exited
}

// kill ends it at once, its worker too. What they were doing is cut off.
func (n *nginx) kill() {
	_ = syscall.Kill(-n.cmd.Process.Pid, syscall.SIGKILL)
	<-n.exited
}

func writeConfig(t *testing.T, path string, data any) {
	t.Helper()
	file, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, nginxConfig.Execute(file, data))
	require.NoError(t, file.Close())
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// waitReady returns when url answers with want. It returns an error when it
// answers with something else, exited is closed, or the time is up.
func waitReady(ctx context.Context, url, want string, exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		got := call(client, req)
		switch {
		case got.err != nil:
		case string(got.body) == want:
			return nil
		default:
			return fmt.Errorf("%s belongs to another program", url)
		}
		select {
		case <-exited:
			return fmt.Errorf("%s: the program has ended", url)
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", url, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// access is a line of nginx's access log.
type access struct {
	connection string
	status     int
	method     string
}

// accesses stops nginx and returns what it has answered, in order. client is the
// one that it answered: nginx would wait for the requests of its connections.
func (n *nginx) accesses(t *testing.T, client *http.Client) []access {
	t.Helper()
	client.CloseIdleConnections()
	n.stop()
	log, err := os.ReadFile(filepath.Join(n.dir, "access.log"))
	require.NoError(t, err)
	var all []access
	for line := range strings.Lines(string(log)) {
		var a access
		_, err := fmt.Sscan(line, &a.connection, &a.status, &a.method)
		require.NoError(t, err, "line %q", line)
		all = append(all, a)
	}
	return all
}

// statuses counts the answers by status.
func statuses(all []access) map[int]int {
	count := make(map[int]int)
	for _, a := range all {
		count[a.status]++
	}
	return count
}

// connections counts the client connections that all came through.
func connections(all []access) int {
	seen := make(map[string]bool)
	for _, a := range all {
		seen[a.connection] = true
	}
	return len(seen)
}
