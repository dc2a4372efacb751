package integration_test

import (
	"bufio"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// redisServer is a redis-server that keeps nothing on disk.
type redisServer struct {
	addr string
	port int
	dir  string
	stop func()
}

// startRedis runs a redis-server until the test ends.
func startRedis(t *testing.T) *redisServer {
	t.Helper()
	// Another program can take a free port before redis-server does.
	const attempts = 3
	for attempt := 1; ; attempt++ {
		port := freePort(t)
		r := &redisServer{addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), port: port, dir: t.TempDir()}
		err := r.start(t)
		if err == nil {
			t.Cleanup(func() { r.stop() })
			return r
		}
		require.Less(t, attempt, attempts, "redis-server does not start: %v", err)
	}
}

// start runs the server, once more if it was stopped.
func (r *redisServer) start(t *testing.T) error {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	require.NoError(t, err, "redis-server is missing: internal/integration/run installs it")
	cmd := exec.Command(program, "--port", strconv.Itoa(r.port), "--bind", "127.0.0.1",
		"--save", "", "--appendonly", "no", "--dir", r.dir, "--logfile", "redis.log")
	endWithTests(cmd)
	require.NoError(t, cmd.Start())
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // it is killed
	}()
	r.stop = func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		<-exited
	}
	if err := r.waitReady(exited); err != nil {
		r.stop()
		return err
	}
	return nil
}

func (r *redisServer) waitReady(exited <-chan struct{}) error {
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if r.answers() {
			return nil
		}
		select {
		case <-exited:
			return fmt.Errorf("%s: the program has ended", r.addr)
		case <-timeout.C:
			return fmt.Errorf("%s does not answer", r.addr)
		case <-tick.C:
		}
	}
}

func (r *redisServer) answers() bool {
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && line == "+PONG\r\n"
}

// newGoRedis returns a client that is set up as package redislimit advises.
func newGoRedis(t *testing.T, addr string) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{
		Addr:                  addr,
		DialTimeout:           50 * time.Millisecond,
		MaxRetries:            -1,
		ContextTimeoutEnabled: true,
	})
	t.Cleanup(func() { client.Close() })
	return client
}
