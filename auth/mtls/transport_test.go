package mtls_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/mtls"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func newTransport(t testing.TB, c mtls.Config) *mtls.Transport {
	t.Helper()
	tr, err := mtls.New(c)
	require.NoError(t, err)
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func call(t testing.TB, rt http.RoundTripper, url string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body), nil
}

func setUp(t testing.TB, h2 bool) (files, *authority, *server, string) {
	t.Helper()
	a := newAuthority(t)
	f := newFiles(t)
	f.write("ca.crt", certPEM(a.cert))
	return f, a, newServer(t, a, h2), f.issue(a)
}

// After a rotation no request goes out on an old connection, and no session is
// resumed that began with the old certificate.
func TestRotation(t *testing.T) {
	t.Parallel()
	for name, h2 := range map[string]bool{"HTTP/1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, a, s, first := setUp(t, h2)
			var rotations []mtls.Rotation
			c := f.config()
			c.Hooks.Rotated = func(r mtls.Rotation) { rotations = append(rotations, r) }
			tr := newTransport(t, c)
			for range 3 {
				got, err := call(t, tr, s.URL)
				require.NoError(t, err)
				require.Equal(t, first+" false", got)
			}
			require.Equal(t, 1, s.connections())
			// The session is resumed as long as the certificate is the same.
			tr.CloseIdleConnections()
			<-s.closed
			got, err := call(t, tr, s.URL)
			require.NoError(t, err)
			require.Equal(t, first+" true", got)

			second := f.issue(a)
			got, err = call(t, tr, s.URL)
			require.NoError(t, err)
			require.Equal(t, second+" false", got)
			<-s.closed // the old connection
			require.Equal(t, 3, s.connections())
			require.Len(t, rotations, 2)
			require.Equal(t, 2, rotations[1].Generation)
			snapshot := tr.Snapshot()
			require.Equal(t, 2, snapshot.Generation)
			require.NoError(t, snapshot.Err)
			require.Zero(t, snapshot.Requests)
			require.WithinDuration(t, time.Now().Add(time.Hour), snapshot.NotAfter, 10*time.Minute)
		})
	}
}

// A request that is under way ends where it began; then its connection goes.
func TestDrain(t *testing.T) {
	t.Parallel()
	for name, h2 := range map[string]bool{"HTTP/1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, a, s, first := setUp(t, h2)
			tr := newTransport(t, f.config())
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/slow", http.NoBody)
			require.NoError(t, err)
			resp, err := tr.RoundTrip(req)
			require.NoError(t, err)
			require.Equal(t, 1, tr.Snapshot().Requests)

			second := f.issue(a)
			got, err := call(t, tr, s.URL)
			require.NoError(t, err)
			require.Equal(t, second+" false", got)
			select {
			case <-s.closed:
				require.Fail(t, "the old connection was closed under its request")
			default:
			}
			close(s.release)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, first+" false", string(body))
			require.NoError(t, resp.Body.Close())
			// The next look closes what the end of the body has left.
			require.NoError(t, tr.Reload(t.Context()))
			<-s.closed
		})
	}
}

// Kubernetes writes a new folder and swaps a link to it.
func TestSymlinkSwap(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := newServer(t, a, false)
	root := t.TempDir()
	place := func(version string) string {
		dir := filepath.Join(root, version)
		require.NoError(t, os.Mkdir(dir, 0o700))
		f := files{t, dir}
		f.write("ca.crt", certPEM(a.cert))
		serial := f.issue(a)
		require.NoError(t, os.Symlink(version, filepath.Join(root, "..tmp")))
		require.NoError(t, os.Rename(filepath.Join(root, "..tmp"), filepath.Join(root, "..data")))
		return serial
	}
	first := place("..2025_1")
	for _, name := range []string{"tls.crt", "tls.key", "ca.crt"} {
		require.NoError(t, os.Symlink(filepath.Join("..data", name), filepath.Join(root, name)))
	}
	tr := newTransport(t, files{t, root}.config())
	got, err := call(t, tr, s.URL)
	require.NoError(t, err)
	require.Equal(t, first+" false", got)
	second := place("..2025_2")
	require.NoError(t, os.RemoveAll(filepath.Join(root, "..2025_1")))
	got, err = call(t, tr, s.URL)
	require.NoError(t, err)
	require.Equal(t, second+" false", got)
}

// The authority of the servers changes too.
func TestRootsSwap(t *testing.T) {
	t.Parallel()
	f, a, s, _ := setUp(t, false)
	other := newAuthority(t)
	tr := newTransport(t, f.config())
	_, err := call(t, tr, s.URL)
	require.NoError(t, err)
	f.write("ca.crt", certPEM(other.cert))
	_, err = call(t, tr, s.URL)
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown, "the old connection is not used either")
	f.write("ca.crt", certPEM(other.cert, a.cert))
	_, err = call(t, tr, s.URL)
	require.NoError(t, err)
}

func TestCheckEvery(t *testing.T) {
	t.Parallel()
	f, a, s, first := setUp(t, false)
	c := f.config()
	c.CheckEvery = time.Hour
	tr := newTransport(t, c)
	second := f.issue(a)
	got, err := call(t, tr, s.URL)
	require.NoError(t, err)
	require.Equal(t, first+" false", got, "it is too early to look")
	require.NoError(t, tr.Reload(t.Context()))
	got, err = call(t, tr, s.URL)
	require.NoError(t, err)
	require.Equal(t, second+" false", got)
}

// Load is somebody else's service. Only one waits for it.
func TestLoad(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := newServer(t, a, false)
	key := newKey(t)
	cert := a.issue(t, key, nil)
	material := mtls.Material{CertPEM: certPEM(cert, a.cert), Signer: key, RootsPEM: certPEM(a.cert)}
	calls, block, entered := 0, make(chan struct{}), make(chan struct{})
	tr := newTransport(t, mtls.Config{CheckEvery: time.Nanosecond, Load: func(ctx context.Context) (mtls.Material, error) {
		if calls++; calls == 2 {
			entered <- struct{}{}
			select {
			case <-block:
			case <-ctx.Done():
				return mtls.Material{}, context.Cause(ctx)
			}
		}
		return material, nil
	}})
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error)
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, http.NoBody)
		if err == nil {
			_, err = tr.RoundTrip(req)
		}
		done <- err
	}()
	<-entered
	got, err := call(t, tr, s.URL)
	require.NoError(t, err)
	require.Equal(t, cert.SerialNumber.String()+" false", got)
	cancelled, stop := context.WithCancel(t.Context())
	stop()
	require.ErrorIs(t, tr.Reload(cancelled), context.Canceled)
	cancel(gone)
	require.ErrorIs(t, <-done, gone)
	require.NoError(t, tr.Snapshot().Err, "that the caller went away says nothing of the material")

	material.CertPEM = certPEM(cert)
	material.Signer = (*ecdsa.PrivateKey)(nil)
	require.ErrorContains(t, tr.Reload(t.Context()), "not that of the certificate")
	material.Signer = newKey(t)
	require.ErrorContains(t, tr.Reload(t.Context()), "not that of the certificate")
	require.Equal(t, 1, tr.Snapshot().Generation)
}

func TestPlainIsRefused(t *testing.T) {
	t.Parallel()
	f, _, _, _ := setUp(t, false)
	tr := newTransport(t, f.config())
	body := &closing{Reader: strings.NewReader("secret")}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/", body)
	require.NoError(t, err)
	_, err = tr.RoundTrip(req)
	require.ErrorIs(t, err, mtls.ErrPlain)
	require.Equal(t, 1, body.closed)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, err = http.NewRequestWithContext(ctx, http.MethodPost, "https://127.0.0.1/", body)
	require.NoError(t, err)
	_, err = tr.RoundTrip(req)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 2, body.closed)
	require.Zero(t, tr.Snapshot().Requests)
}

type closing struct {
	io.Reader
	closed int
}

func (c *closing) Close() error {
	c.closed++
	return nil
}

// Requests and rotations at once: each request gets one of the certificates.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	f, a, s, first := setUp(t, true)
	var mu sync.Mutex
	serials := map[string]bool{first: true}
	tr := newTransport(t, f.config())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				got, err := call(t, tr, s.URL)
				serial, _, _ := strings.Cut(got, " ")
				mu.Lock()
				if err != nil || !serials[serial] {
					t.Errorf("%q, %v", got, err)
				}
				mu.Unlock()
			}
		})
	}
	for range 5 {
		key := newKey(t)
		cert := a.issue(t, key, nil)
		mu.Lock()
		serials[cert.SerialNumber.String()] = true
		mu.Unlock()
		f.write("tls.key", keyPEM(t, key))
		f.write("tls.crt", certPEM(cert))
	}
	wg.Wait()
	require.Zero(t, tr.Snapshot().Requests)
}

// A hook that panics leaves nothing locked.
func TestPanickingHook(t *testing.T) {
	t.Parallel()
	f, a, s, _ := setUp(t, false)
	c := f.config()
	armed := false
	c.Hooks.Rotated = func(mtls.Rotation) {
		if armed {
			armed = false
			panic("hook")
		}
	}
	tr := newTransport(t, c)
	armed = true
	second := f.issue(a)
	require.PanicsWithValue(t, "hook", func() { _, _ = call(t, tr, s.URL) })
	got, err := call(t, tr, s.URL)
	require.NoError(t, err)
	require.Equal(t, second+" false", got)
}

func TestNew(t *testing.T) {
	t.Parallel()
	pin := mtls.Pin(newAuthority(t).cert)
	load := func(context.Context) (mtls.Material, error) { return mtls.Material{}, errors.New("down") }
	_, err := mtls.New(mtls.Config{
		CertFile: "x", CheckEvery: -1, Pins: []string{pin, pin[1:], "sha256/AA=="},
		Base: &http.Transport{
			DialTLSContext:  (&tls.Dialer{}).DialContext,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: make([]tls.Certificate, 1)},
			TLSNextProto:    map[string]func(string, *tls.Conn) http.RoundTripper{"h2": nil},
		},
	})
	for _, part := range []string{
		"CertFile and KeyFile, or Load", "CheckEvery", "Pins[1]", "Pins[2]", "its own TLS connections",
		"InsecureSkipVerify", "client certificate of its own", "TLSNextProto",
	} {
		require.ErrorContains(t, err, part)
	}
	_, err = mtls.New(mtls.Config{Load: load, CertFile: "x", Pins: []string{pin, pin}})
	require.ErrorContains(t, err, "Load and files")
	require.ErrorContains(t, err, "one pin only")
	_, err = mtls.New(mtls.Config{Load: load})
	require.EqualError(t, err, "mtls: load: down")
}
