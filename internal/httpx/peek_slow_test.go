package httpx_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// drip is a body that gives its data byte by byte, each after a wait, and then
// its end.
type drip struct {
	data    string
	first   int // so many bytes come at once
	wait    time.Duration
	end     error
	ignores bool // Close ends no Read
}

type dripping struct {
	drip
	reads  atomic.Int32 // under way
	max    atomic.Int32
	closed chan struct{}
	closes atomic.Int32
}

func newDripping(d drip) *dripping { return &dripping{drip: d, closed: make(chan struct{})} }

func (d *dripping) Read(p []byte) (int, error) {
	d.max.Store(max(d.max.Load(), d.reads.Add(1)))
	defer d.reads.Add(-1)
	if d.first == 0 {
		closed := d.closed
		if d.ignores {
			closed = nil
		}
		select {
		case <-time.After(d.wait):
		case <-closed:
			return 0, errors.New("closed")
		}
	}
	if d.data == "" {
		return 0, d.end
	}
	n := copy(p, d.data[:max(d.first, 1)])
	d.data, d.first = d.data[n:], max(0, d.first-n)
	return n, nil
}

func (d *dripping) Close() error {
	if d.closes.Add(1) == 1 {
		close(d.closed)
	}
	return nil
}

// A body that comes slowly costs DrainTime and loses nothing: not the bytes
// that came before, not those that were on their way, and not its error.
func TestPeekSlowBody(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	const text = "one byte a second"
	for name, tt := range map[string]struct {
		body drip
		head string
		want string
		err  error
		took time.Duration
	}{
		"drips":                  {drip{data: text, wait: time.Second, end: io.EOF}, "", text, nil, httpx.DrainTime},
		"begins well":            {drip{data: text, first: 8, wait: time.Second, end: io.EOF}, "one byte", text, nil, httpx.DrainTime},
		"fails after ten":        {drip{data: text[:10], first: 10, wait: time.Second, end: broken}, text[:10], text[:10], broken, httpx.DrainTime},
		"drips ten and fails":    {drip{data: text[:10], wait: time.Second, end: broken}, "", text[:10], broken, httpx.DrainTime},
		"all of it just in time": {drip{data: text, wait: 5 * time.Millisecond, end: io.EOF}, text, text, nil, 18 * 5 * time.Millisecond},
		"enough just in time":    {drip{data: strings.Repeat("x", 40), wait: 4 * time.Millisecond, end: io.EOF}, strings.Repeat("x", 20), strings.Repeat("x", 40), nil, 80 * time.Millisecond},
		"says nothing at all":    {drip{wait: time.Hour, end: io.EOF}, "", "", nil, httpx.DrainTime},
		"fails late":             {drip{wait: time.Hour, end: broken}, "", "", broken, httpx.DrainTime},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				body := newDripping(tt.body)
				resp := &http.Response{Body: body, ContentLength: -1}
				begin := time.Now()
				head := httpx.Peek(resp, 20)
				require.Equal(t, tt.took, time.Since(begin))
				require.Equal(t, tt.head, string(head))
				got, err := io.ReadAll(resp.Body)
				require.Equal(t, tt.want, string(got))
				require.Equal(t, tt.err, err)
				_, err = resp.Body.Read(make([]byte, 1))
				require.Error(t, err, "it has ended")
				require.Equal(t, tt.head, string(head), "what was looked at stays as it is")
				require.EqualValues(t, 1, body.max.Load(), "two goroutines never read together")
				require.NoError(t, resp.Body.Close())
				require.EqualValues(t, 1, body.closes.Load())
			})
		})
	}
}

// A body of a known length need not be read beyond it: its end may be late.
func TestPeekStopsAtTheLength(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		body := newDripping(drip{data: "sorry", first: 5, wait: time.Hour, end: io.EOF})
		resp := &http.Response{Body: body, ContentLength: 5}
		begin := time.Now()
		require.Equal(t, "sorry", string(httpx.Peek(resp, 100)))
		require.Zero(t, time.Since(begin))
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "sorry", string(got))
	})
}

// Bytes that come late are read in small pieces as well as in large ones.
func TestPeekSmallReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		chunks := rttest.NewScript(rttest.Step{Status: 503, Body: strings.Repeat("0123456789", 300), Drip: time.Second})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://example.com/", nil)
		require.NoError(t, err)
		resp, err := chunks.RoundTrip(req)
		require.NoError(t, err)
		require.Empty(t, httpx.Peek(resp, 4096))
		var got bytes.Buffer
		for {
			p := make([]byte, 7)
			n, err := resp.Body.Read(p)
			got.Write(p[:n])
			if err != nil {
				require.Equal(t, io.EOF, err)
				break
			}
		}
		require.Equal(t, strings.Repeat("0123456789", 300), got.String())
		require.NoError(t, resp.Body.Close())
	})
}

// Closing ends the goroutine that reads, and a Read that waits for it.
func TestPeekClosedWhileItReads(t *testing.T) {
	t.Parallel()
	for name, ignores := range map[string]bool{"ends its reads": false, "ends none": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				body := newDripping(drip{data: "x", wait: 1000 * time.Hour, end: io.EOF, ignores: ignores})
				resp := &http.Response{Body: body, ContentLength: -1}
				require.Empty(t, httpx.Peek(resp, 100))
				begin := time.Now()
				read := make(chan error)
				go func() {
					_, err := resp.Body.Read(make([]byte, 10))
					read <- err
				}()
				synctest.Wait()
				require.EqualValues(t, 1, body.reads.Load())
				require.NoError(t, resp.Body.Close())
				if err := <-read; !ignores {
					require.Error(t, err)
				} else {
					require.Equal(t, http.ErrBodyReadAfterClose, err)
				}
				synctest.Wait()
				require.Equal(t, ignores, body.reads.Load() == 1, "the goroutine ends with the Read")
				require.Zero(t, time.Since(begin))
				_, err := resp.Body.Read(make([]byte, 10))
				require.Equal(t, http.ErrBodyReadAfterClose, err)
				require.NoError(t, resp.Body.Close(), "twice")
				time.Sleep(1000 * time.Hour)
			})
		})
	}
}

// A caller who never closes has one goroutine until the Read ends that it is
// in: with the next bytes, or with the context of the request.
func TestPeekNeverClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		body := newDripping(drip{data: strings.Repeat("x", 100), wait: time.Second, end: io.EOF})
		resp := &http.Response{Body: body, ContentLength: -1}
		httpx.Peek(resp, 100)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, body.data, 99, "the byte that was on its way, and no more")
		require.Zero(t, body.reads.Load())
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("gone")
		s := rttest.NewScript(rttest.Step{Status: 503, Body: "stuck", Drip: 1000 * time.Hour})
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://example.com/", nil)
		require.NoError(t, err)
		resp, err := s.RoundTrip(req)
		require.NoError(t, err)
		begin := time.Now()
		time.AfterFunc(httpx.DrainTime/2, func() { cancel(gone) })
		require.Empty(t, httpx.Peek(resp, 100))
		require.Equal(t, httpx.DrainTime/2, time.Since(begin), "the context ends the look as well")
		_, err = resp.Body.Read(make([]byte, 1))
		require.Equal(t, gone, err)
	})
}

// A body that is also for writing belongs to both sides of a connection.
func TestPeekLeavesConnectionsAlone(t *testing.T) {
	t.Parallel()
	resp, body := answer(t, rttest.Step{Status: http.StatusSwitchingProtocols, Body: "hello"})
	before := resp.Body
	require.Nil(t, httpx.Peek(resp, 100))
	require.Same(t, before, resp.Body)
	require.Zero(t, body.BytesRead())
	require.NoError(t, resp.Body.Close())
}

// A Read that gives nothing and no error must not be tried for ever.
func TestPeekOfNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // in which time stands still for who spins
		resp := &http.Response{Body: &giving{}}
		require.Empty(t, httpx.Peek(resp, 100))
		n, err := resp.Body.Read(make([]byte, 10))
		require.Zero(t, n)
		require.NoError(t, err)
	})
}

// giving calls its functions in turn, the last one again and again.
type giving struct{ steps []func() }

func (g *giving) Read([]byte) (int, error) {
	if len(g.steps) > 0 {
		step := g.steps[0]
		g.steps = g.steps[1:]
		step()
	}
	return 0, nil
}

func (g *giving) Close() error { return nil }

// A panic of the body comes to who looks or reads, and never ends the program.
func TestPeekPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		resp := &http.Response{Body: &giving{[]func(){func() { panic("mine") }}}}
		require.PanicsWithValue(t, "mine", func() { httpx.Peek(resp, 100) })
		_, err := resp.Body.Read(make([]byte, 10))
		require.EqualError(t, err, "httpx: a read of the body did not return")
	})
	synctest.Test(t, func(t *testing.T) {
		resp := &http.Response{Body: &giving{[]func(){func() { time.Sleep(time.Hour); panic("mine") }}}}
		require.Empty(t, httpx.Peek(resp, 100))
		require.PanicsWithValue(t, "mine", func() { _, _ = resp.Body.Read(make([]byte, 10)) })
		require.NoError(t, resp.Body.Close())
	})
	synctest.Test(t, func(t *testing.T) { // and one that nobody waits for is lost
		resp := &http.Response{Body: &giving{[]func(){func() { time.Sleep(time.Hour); panic("mine") }}}}
		require.Empty(t, httpx.Peek(resp, 100))
		require.NoError(t, resp.Body.Close())
		time.Sleep(time.Hour)
	})
	synctest.Test(t, func(t *testing.T) {
		resp := &http.Response{Body: &giving{[]func(){runtime.Goexit}}}
		require.Empty(t, httpx.Peek(resp, 100))
		_, err := resp.Body.Read(make([]byte, 10))
		require.EqualError(t, err, "httpx: a read of the body did not return")
	})
}

// Throwing an answer away that was looked at takes no longer than another: what
// is slow has had its time.
func TestDiscardPeeked(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		wait  time.Duration // of the body
		pause time.Duration // between the look and the end
		took  time.Duration
		left  int

		watched bool
	}{
		"a byte a second":       {time.Second, 0, 0, 100, false},
		"nothing at all":        {1000 * time.Hour, 0, 0, 100, false},
		"it has moved":          {time.Second, time.Second, httpx.DrainTime, 99, false},
		"it was in time":        {time.Microsecond, 0, 0, 0, false},
		"watched":               {time.Second, 0, 0, 100, true},
		"watched, it has moved": {time.Second, time.Second, httpx.DrainTime, 99, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				body := newDripping(drip{data: strings.Repeat("x", 100), wait: tt.wait, end: io.EOF})
				resp := &http.Response{Body: body, ContentLength: -1}
				httpx.Peek(resp, 1000)
				if tt.watched {
					httpx.Watch(resp, endings{new([]error)})
				}
				time.Sleep(tt.pause)
				synctest.Wait()
				begin := time.Now()
				httpx.Discard(resp)
				require.Equal(t, tt.took, time.Since(begin))
				require.EqualValues(t, 1, min(1, body.closes.Load()))
				synctest.Wait()
				require.Len(t, body.data, tt.left)
			})
		})
	}
}

func BenchmarkPeek(b *testing.B) {
	const text = `{"error":{"code":"overloaded","message":"Try again later."}}`
	body := &memory{}
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(text)
		resp := &http.Response{Body: body, ContentLength: int64(len(text))}
		httpx.Peek(resp, 8<<10)
	}
}

type memory struct{ strings.Reader }

func (*memory) Close() error { return nil }
