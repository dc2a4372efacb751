package fallback_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker/fallback"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// world is a Fallback with one LastGood over an upstream whose next answer the
// test decides.
type world struct {
	*fallback.Fallback
	http.RoundTripper
	next func(*http.Request) (*http.Response, error)
}

func newWorld(t testing.TB, c fallback.LastGoodConfig) *world {
	t.Helper()
	w := &world{Fallback: newFallback(t, fallback.Config{Answers: []fallback.Answer{fallback.LastGood(c)}})}
	w.RoundTripper = w.Wrap(rttest.Func(func(req *http.Request) (*http.Response, error) { return w.next(req) }))
	return w
}

// step makes the upstream do one thing from now on.
func (w *world) step(s rttest.Step) { w.next = rttest.NewScript(s).RoundTrip }

// memory is what the LastGood remembers.
func (w *world) memory() fallback.Memory { return w.Snapshot().Answers[0].Memory }

// teach has the upstream answer req with s, and the caller read it.
func (w *world) teach(t testing.TB, req *http.Request, s rttest.Step) {
	t.Helper()
	w.step(s)
	send(t, w, req)
}

// recall returns what the memory has for req when the upstream is broken.
func (w *world) recall(t testing.TB, req *http.Request) (*http.Response, string) {
	t.Helper()
	w.step(rttest.Step{Err: errBroken})
	resp, err := w.RoundTrip(req)
	if err != nil {
		require.Equal(t, errBroken, err)
		return nil, ""
	}
	require.True(t, fallback.Degraded(resp))
	return resp, read(t, resp)
}

func withHeader(req *http.Request, pairs ...string) *http.Request {
	for i := 0; i+1 < len(pairs); i += 2 {
		req.Header.Add(pairs[i], pairs[i+1])
	}
	return req
}

func TestLastGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, fallback.LastGoodConfig{})
		resp, _ := w.recall(t, get(t))
		require.Nil(t, resp, "nothing is remembered yet")

		w.teach(t, get(t), rttest.Step{Body: "good", Header: []string{
			"Content-Type", "text/plain", "Content-Length", "4", "Age", "7", "Cache-Status", "edge; hit", "Set-Cookie", "a=b", "Etag", `"1"`,
			"Connection", "X-Hop, close", "X-Hop", "1", "Transfer-Encoding", "chunked", fallback.Header, "forged",
		}})
		time.Sleep(90 * time.Second)
		for range 2 {
			resp, body := w.recall(t, get(t))
			require.Equal(t, "good", body)
			require.Equal(t, "200 OK", resp.Status)
			require.Equal(t, int64(4), resp.ContentLength)
			require.Equal(t, http.Header{
				"Content-Type": {"text/plain"}, "Content-Length": {"4"}, "Etag": {`"1"`}, "Age": {"97"},
				"Cache-Status": {"edge; hit", "holdfast; fwd=stale; detail=last-good-no-answer"}, fallback.Header: {"last-good"},
			}, resp.Header)
			resp.Header.Set("Etag", "the caller's own")
		}
		w.step(rttest.Step{Status: 503})
		resp, _ = send(t, w, get(t))
		require.Equal(t, "holdfast; fwd=stale; fwd-status=503; detail=last-good", resp.Header.Values("Cache-Status")[1])
		w.step(rttest.Step{Err: notSent{}})
		resp, _ = send(t, w, get(t))
		require.Equal(t, "holdfast; hit; detail=last-good", resp.Header.Values("Cache-Status")[1])

		head := get(t)
		head.Method = http.MethodHead
		resp, body := w.recall(t, head)
		require.Empty(t, body)
		require.Equal(t, int64(4), resp.ContentLength)
		require.Equal(t, "text/plain", resp.Header.Get("Content-Type"))
	})
}

func TestLastGoodIsTheLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, fallback.LastGoodConfig{MaxAge: time.Minute})
		w.teach(t, get(t), rttest.Step{Body: "first"})
		time.Sleep(time.Second)
		w.step(rttest.Step{Body: "slowly read"})
		slow, err := w.RoundTrip(get(t))
		require.NoError(t, err)
		time.Sleep(time.Second)
		w.teach(t, get(t), rttest.Step{Body: "third"})
		require.Equal(t, "slowly read", read(t, slow))
		_, body := w.recall(t, get(t))
		require.Equal(t, "third", body, "an older answer that was read later is not newer")

		time.Sleep(time.Minute)
		_, body = w.recall(t, get(t))
		require.Equal(t, "third", body, "a minute is not more than a minute")
		time.Sleep(time.Nanosecond)
		resp, _ := w.recall(t, get(t))
		require.Nil(t, resp)
		require.Equal(t, fallback.Memory{}, w.memory())
	})
}

// An answer that takes longer to read than it may be kept is too old at once.
func TestLastGoodReadTooSlowly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, fallback.LastGoodConfig{MaxAge: time.Minute})
		w.step(rttest.Step{Body: "slow"})
		slow, err := w.RoundTrip(get(t))
		require.NoError(t, err)
		time.Sleep(2 * time.Minute)
		other := newRequest(t, http.MethodGet, "https://api.example.com/other", "")
		w.teach(t, other, rttest.Step{Body: "other"})
		require.Equal(t, "slow", read(t, slow))
		resp, _ := w.recall(t, get(t))
		require.Nil(t, resp)
		_, body := w.recall(t, other)
		require.Equal(t, "other", body)
	})
}

func TestLastGoodAge(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		age, date string // date is an offset to now
		want      string
	}{
		"none":          {want: "0"},
		"age":           {age: "30", want: "30"},
		"date":          {date: "-40s", want: "40"},
		"date says":     {age: "30", date: "-40s", want: "40"},
		"age says":      {age: "30", date: "-20s", want: "30"},
		"date to come":  {date: "1h", want: "0"},
		"very old":      {date: "-900000h", want: strconv.Itoa(365 * 24 * 60 * 60)},
		"largest":       {age: "2147483647", want: "2147483647"},
		"overflow":      {age: "9223372036854775807", want: "0"},
		"negative":      {age: "-5", want: "0"},
		"not a number":  {age: "soon", want: "0"},
		"with a sign":   {age: "+5", want: "0"},
		"date not one":  {date: "x", want: "0"},
		"two of them":   {age: "5, 6", want: "0"},
		"with a spaces": {age: " 5 ", want: "5"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, fallback.LastGoodConfig{})
				var header []string
				if tt.age != "" {
					header = append(header, "Age", tt.age)
				}
				if offset, err := time.ParseDuration(tt.date); err == nil {
					header = append(header, "Date", time.Now().Add(offset).UTC().Format(http.TimeFormat))
				} else if tt.date != "" {
					header = append(header, "Date", tt.date)
				}
				w.teach(t, get(t), rttest.Step{Body: "x", Header: header})
				resp, _ := w.recall(t, get(t))
				require.Equal(t, []string{tt.want}, resp.Header.Values("Age"))
			})
		})
	}
}

func TestLastGoodBounds(t *testing.T) {
	t.Parallel()
	page := func(i int) *http.Request {
		return newRequest(t, http.MethodGet, "https://api.example.com/"+strconv.Itoa(i), "")
	}
	t.Run("keys", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, fallback.LastGoodConfig{MaxKeys: 3})
		for i := range 10 {
			w.teach(t, page(i), rttest.Step{Body: strconv.Itoa(i)})
		}
		require.Equal(t, 3, w.memory().Keys)
		for i := range 10 {
			_, body := w.recall(t, page(i))
			require.Equal(t, i >= 7, body == strconv.Itoa(i))
		}
	})
	t.Run("bytes", func(t *testing.T) {
		t.Parallel()
		const limit = 50_000
		w := newWorld(t, fallback.LastGoodConfig{MaxBytes: limit})
		for i := range 100 {
			w.teach(t, page(i), rttest.Step{Body: strings.Repeat("x", 1000*(i%20+1))})
			require.LessOrEqual(t, w.memory().Bytes, int64(limit))
		}
		_, body := w.recall(t, page(99))
		require.Len(t, body, 20_000)
		w.teach(t, page(100), rttest.Step{Body: "x", Header: []string{"X-Long", strings.Repeat("x", limit)}})
		resp, _ := w.recall(t, page(100))
		require.Nil(t, resp, "header fields count")
		_, body = w.recall(t, page(99))
		require.Len(t, body, 20_000, "what does not fit drives out nothing")
	})
	t.Run("bytes of an answer", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, fallback.LastGoodConfig{MaxAnswerBytes: 4})
		w.teach(t, page(1), rttest.Step{Body: "1234"})
		w.teach(t, page(2), rttest.Step{Body: "12345"})
		_, body := w.recall(t, page(1))
		require.Equal(t, "1234", body)
		resp, _ := w.recall(t, page(2))
		require.Nil(t, resp)

		// Nobody knows how long this one is before it is too long.
		w.next = func(req *http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: http.StatusOK, ProtoMajor: 2, Header: http.Header{}, ContentLength: -1, Request: req,
				Body: io.NopCloser(strings.NewReader("12345")),
			}, nil
		}
		_, body = send(t, w, page(1))
		require.Equal(t, "12345", body)
		resp, _ = w.recall(t, page(1))
		require.Nil(t, resp, "the one before is not the last any more")
	})
}

// The memory that is reported is that which is taken, within a quarter.
func TestLastGoodMemoryIsMeasured(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	const answers = 2000
	for _, tt := range []struct{ keys, size int }{{answers, 0}, {answers, 300}, {answers, 5000}, {1, 300}} {
		w := newWorld(t, fallback.LastGoodConfig{MaxBytes: 1 << 30, MaxKeys: tt.keys})
		body := strings.Repeat("x", tt.size)
		before := heap()
		for i := range answers {
			w.teach(t, newRequest(t, http.MethodGet, fmt.Sprintf("https://api.example.com/%d", i), ""), rttest.Step{
				Body: body, Header: []string{"Content-Type", "text/plain", "Etag", fmt.Sprintf(`"%032d"`, i), "X-Request-Id", fmt.Sprintf("%036d", i)},
			})
		}
		taken := heap() - before
		require.Equal(t, tt.keys, w.memory().Keys)
		if tt.keys == 1 {
			require.Less(t, taken, int64(answers*50), "nothing is left of what was dropped")
			continue
		}
		require.InEpsilon(t, w.memory().Bytes, taken, 0.25, tt.size)
	}
}

// Readers, writers and failures at once; run with the race detector.
func TestLastGoodConcurrently(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fallback.LastGoodConfig{MaxKeys: 3, MaxBytes: 10_000})
	w.next = func(req *http.Request) (*http.Response, error) {
		step := rttest.Step{Body: req.URL.Path, Header: []string{"X-Path", req.URL.Path}}
		if req.Header.Get("Traceparent") == "fail" {
			step = rttest.Step{Status: 503, Body: "sorry"}
		}
		return rttest.NewScript(step).RoundTrip(req)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				req := newRequest(t, http.MethodGet, fmt.Sprintf("https://api.example.com/%d", (i+j)%5), "")
				if j%3 == 0 {
					req.Header.Set("Traceparent", "fail")
				}
				if j%7 == 0 {
					req.Method = http.MethodDelete
				}
				resp, err := w.RoundTrip(req)
				if err != nil {
					continue
				}
				data, _ := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode == http.StatusOK && (string(data) != req.URL.Path || resp.Header.Get("X-Path") != req.URL.Path) {
					t.Errorf("the answer to %s is %q with %v", req.URL.Path, data, resp.Header)
				}
				resp.Header.Set("X-Path", "the caller's own")
				w.Snapshot()
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, w.memory().Keys, 3)
	require.LessOrEqual(t, w.memory().Bytes, int64(10_000))
}

// The same LastGood in two Fallbacks is one memory.
func TestLastGoodIsShared(t *testing.T) {
	t.Parallel()
	shared := fallback.LastGood(fallback.LastGoodConfig{})
	a := newFallback(t, fallback.Config{Answers: []fallback.Answer{shared}})
	b := newFallback(t, fallback.Config{Answers: []fallback.Answer{shared.Named("memory")}})
	send(t, a.Wrap(rttest.NewScript(rttest.Step{Body: "good"})), get(t))
	resp, body := send(t, b.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})), get(t))
	require.Equal(t, "good", body)
	require.Equal(t, "memory", resp.Header.Get(fallback.Header))
	require.Equal(t, a.Snapshot().Answers[0].Memory, b.Snapshot().Answers[0].Memory)
}
