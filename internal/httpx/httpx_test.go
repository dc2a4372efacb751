package httpx_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

func TestOrigin(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://api.example.com/v1?key=secret":  "https://api.example.com",
		"https://API.Example.com":                "https://api.example.com",
		"https://api.example.com:443/":           "https://api.example.com",
		"http://api.example.com:80/":             "http://api.example.com",
		"http://api.example.com:443/":            "http://api.example.com:443",
		"https://api.example.com:8443/":          "https://api.example.com:8443",
		"https://api.example.com:/":              "https://api.example.com",
		"https://user:password@api.example.com/": "https://api.example.com",
		"http://[2001:DB8::1]:80/":               "http://[2001:db8::1]",
		// Where the case of other letters leads is for IDNA to say: U+0130 and i
		// are two hosts.
		"https://GİTHUB.com/":       "https://gİthub.com",
		"https://g%C4%B0thub.com/":  "https://gİthub.com",
		"https://BÜCHER.example:8/": "https://bÜcher.example:8",
	} {
		u, err := url.Parse(raw)
		require.NoError(t, err)
		require.Equal(t, want, httpx.Origin(&http.Request{URL: u}).String(), raw)
	}
	require.Equal(t, httpx.Key{}, httpx.Origin(&http.Request{}))
}

// Whatever the bytes and where they stand, a host is taken as it is only if
// that changes nothing.
func TestOriginOfAnyBytes(t *testing.T) {
	t.Parallel()
	for length := 1; length <= 20; length++ {
		for at := range length {
			for c := range 256 {
				host := []byte(strings.Repeat("a", length))
				host[at] = byte(c)
				got := httpx.Origin(&http.Request{URL: &url.URL{Scheme: "https", Host: string(host)}})
				if 'A' <= c && c <= 'Z' {
					host[at] += 'a' - 'A'
				}
				want := strings.TrimSuffix(strings.TrimSuffix(string(host), ":443"), ":")
				if got.Name != want {
					t.Fatalf("%q became %q, want %q", host, got.Name, want)
				}
			}
		}
	}
}

func BenchmarkOrigin(b *testing.B) {
	req := &http.Request{URL: &url.URL{Scheme: "https", Host: "api.example.com"}}
	b.ReportAllocs()
	for b.Loop() {
		httpx.Origin(req)
	}
}

func TestOriginAllocatesNothing(t *testing.T) {
	for _, u := range []string{"https://api.example.com/v1", "https://api.example.com:8443/v1"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
		require.NoError(t, err)
		require.Zero(t, testing.AllocsPerRun(100, func() { httpx.KeyOf(req, nil) }))
	}
}

// Of a URL that is long, or secret, a key that is kept has its origin alone.
func TestOwnKey(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"http", "https", "ws"} {
		raw := scheme + "://api.example.com/?secret=" + strings.Repeat("x", 1000)
		u, err := url.Parse(raw)
		require.NoError(t, err)
		within := func(s string) bool {
			at, from := uintptr(unsafe.Pointer(unsafe.StringData(s))), uintptr(unsafe.Pointer(unsafe.StringData(raw)))
			return at >= from && at < from+uintptr(len(raw))
		}
		key := httpx.Origin(&http.Request{URL: u})
		require.True(t, within(key.Name), "or it would be no test")
		own := key
		own.Own()
		require.Equal(t, key, own)
		require.False(t, within(own.Scheme), scheme)
		require.False(t, within(own.Name))
	}
	key := httpx.Key{Name: "tenant 7"}
	own := key
	own.Own()
	require.Equal(t, key, own)
	require.Same(t, unsafe.StringData(key.Name), unsafe.StringData(own.Name), "it may be that of many")
}

func TestKeyOfUser(t *testing.T) {
	t.Parallel()
	key := httpx.KeyOf(nil, func(*http.Request) string { return "tenant 7" })
	require.Equal(t, "tenant 7", key.String())
	require.NotEqual(t, httpx.Key{Scheme: "https", Name: "tenant 7"}, key)
}

func TestBase(t *testing.T) {
	t.Parallel()
	require.Same(t, http.DefaultTransport, httpx.Base(nil))
	s := rttest.NewScript()
	require.Same(t, s, httpx.Base(s))
}

func answer(t *testing.T, step rttest.Step) (*http.Response, *rttest.Body) {
	t.Helper()
	s := rttest.NewScript(step)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.example.com/", nil)
	require.NoError(t, err)
	resp, err := s.RoundTrip(req)
	require.NoError(t, err)
	return resp, s.Bodies()[0]
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		step    rttest.Step
		length  int64 // announced; 0 leaves it as it is
		drained bool
		took    time.Duration
	}{
		"short":                     {step: rttest.Step{Body: "sorry"}, drained: true},
		"short, of unknown length":  {step: rttest.Step{Body: "sorry"}, length: -1, drained: true},
		"cut":                       {step: rttest.Step{Body: "sor", Cut: true}, drained: true},
		"exactly the bound":         {step: rttest.Step{Body: strings.Repeat("x", httpx.DrainBytes)}, drained: true},
		"one more, announced":       {step: rttest.Step{Body: strings.Repeat("x", httpx.DrainBytes+1)}},
		"one more, of unknown size": {step: rttest.Step{Body: strings.Repeat("x", httpx.DrainBytes+1)}, length: -1},
		"endless":                   {step: rttest.Step{Body: "x", Endless: true}},
		"slow":                      {step: rttest.Step{Body: "sorry", Drip: time.Hour}, took: httpx.DrainTime},
		"slow and long, announced":  {step: rttest.Step{Body: "sorry", Drip: time.Hour}, length: 1 << 40},
		"an upgraded connection":    {step: rttest.Step{Status: 101, Body: "frames", Drip: time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				resp, body := answer(t, tt.step)
				if tt.length != 0 {
					resp.ContentLength = tt.length
				}
				begin := time.Now()
				httpx.Discard(resp)
				require.Equal(t, tt.took, time.Since(begin))
				require.Equal(t, tt.drained, body.SawEnd())
				require.Positive(t, body.Closes())
				require.LessOrEqual(t, body.BytesRead(), httpx.DrainBytes+1)
			})
		})
	}
	httpx.Discard(&http.Response{})
}

// A body that is closed because it takes too long is closed on the goroutine of a
// timer, where a panic would end the program.
func TestDiscardPassesPanicsOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d httpx.Drainer
		defer d.Release()
		for range 3 { // it can be used again
			resp, body := answer(t, rttest.Step{Body: "sorry", Drip: time.Hour})
			resp.Body = &rude{Body: body}
			begin := time.Now()
			require.PanicsWithValue(t, "mine", func() { d.Discard(resp) })
			require.Equal(t, httpx.DrainTime, time.Since(begin))
			resp, body = answer(t, rttest.Step{Body: "sorry"})
			d.Discard(resp)
			require.True(t, body.SawEnd())
		}
	})
}

// rude is a body that panics when it is closed the first time.
type rude struct{ *rttest.Body }

func (b *rude) Close() error {
	if _ = b.Body.Close(); b.Closes() == 1 {
		panic("mine")
	}
	return nil
}

// A Read that gives nothing and no error must not be tried for ever.
func TestDiscardOfNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // in which time stands still for who spins
		body := &giving{steps: make([]func(), 1000)}
		for i := range body.steps {
			body.steps[i] = func() {}
		}
		httpx.Discard(&http.Response{Body: body, ContentLength: -1})
		require.Len(t, body.steps, 999)
	})
}

type endings struct{ got *[]error }

func (e endings) End(err error) { *e.got = append(*e.got, err) }

func TestWatch(t *testing.T) {
	t.Parallel()
	watch := func(t *testing.T, step rttest.Step) (*http.Response, *rttest.Body, *[]error) {
		t.Helper()
		resp, body := answer(t, step)
		got := &[]error{}
		httpx.Watch(resp, endings{got})
		return resp, body, got
	}
	t.Run("to the end", func(t *testing.T) {
		t.Parallel()
		resp, body, got := watch(t, rttest.Step{Body: "data"})
		require.Empty(t, *got)
		data, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "data", string(data))
		require.Equal(t, []error{nil}, *got, "it has ended before it is closed")
		require.NoError(t, resp.Body.Close())
		require.Equal(t, []error{nil}, *got)
		require.Equal(t, 1, body.Closes())
	})
	t.Run("closed early", func(t *testing.T) {
		t.Parallel()
		resp, body, got := watch(t, rttest.Step{Body: "data"})
		require.NoError(t, resp.Body.Close())
		require.Equal(t, []error{nil}, *got)
		require.Equal(t, 1, body.Closes())
	})
	t.Run("closed during a read", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			resp, body := answer(t, rttest.Step{Body: "data", Drip: time.Hour})
			resp.Body = lingering{body}
			got := []error(nil)
			httpx.Watch(resp, endings{&got})
			go func() { _, _ = resp.Body.Read(make([]byte, 1)) }()
			synctest.Wait()
			require.NoError(t, resp.Body.Close())
			require.Equal(t, []error{nil}, got, "the reader got an error, but not from the peer")
		})
	})
	t.Run("cut off", func(t *testing.T) {
		t.Parallel()
		resp, _, got := watch(t, rttest.Step{Body: "da", Cut: true})
		_, err := io.ReadAll(resp.Body)
		require.ErrorIs(t, err, rttest.ErrCut)
		require.Equal(t, []error{rttest.ErrCut}, *got)
	})
	t.Run("cut off with an error about an EOF", func(t *testing.T) {
		t.Parallel()
		cut := fmt.Errorf("connection: %w", io.EOF)
		resp, got := &http.Response{Body: io.NopCloser(iotest.ErrReader(cut))}, []error(nil)
		httpx.Watch(resp, endings{&got})
		_, err := io.ReadAll(resp.Body)
		require.Equal(t, cut, err)
		require.Equal(t, []error{cut}, got)
	})
	t.Run("without a body", func(t *testing.T) {
		t.Parallel()
		resp, _, got := watch(t, rttest.Step{Status: 204})
		require.Equal(t, http.NoBody, resp.Body)
		require.Equal(t, []error{nil}, *got)
		bare := &http.Response{}
		httpx.Watch(bare, endings{got})
		require.Nil(t, bare.Body)
		require.Len(t, *got, 2)
	})
	t.Run("upgraded connection", func(t *testing.T) {
		t.Parallel()
		resp, _, got := watch(t, rttest.Step{Status: 101, Body: "frames"})
		_, err := io.WriteString(resp.Body.(io.Writer), "hello")
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, []error{nil}, *got)
	})
}

// lingering is a body whose Close returns after the Read that it has ended.
type lingering struct{ *rttest.Body }

func (b lingering) Close() error {
	defer synctest.Wait()
	return b.Body.Close()
}

func TestReject(t *testing.T) {
	t.Parallel()
	body := rttest.NewBody("x")
	httpx.Reject(&http.Request{Body: body})
	require.Equal(t, 1, body.Closes())
	httpx.Reject(&http.Request{})
}

func TestCloseIdle(t *testing.T) {
	t.Parallel()
	s := rttest.NewScript()
	httpx.CloseIdle(s)
	require.Equal(t, 1, s.IdleClosed())
	httpx.CloseIdle(rttest.Func(func(*http.Request) (*http.Response, error) { return nil, errors.New("unused") }))
}
