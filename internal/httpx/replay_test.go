package httpx_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// post returns a request with body and no GetBody.
func post(t *testing.T, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://api.example.com/", nil)
	require.NoError(t, err)
	rc, ok := body.(io.ReadCloser)
	if !ok {
		rc = io.NopCloser(body)
	}
	req.Body = rc
	return req
}

func again(t *testing.T, r httpx.Replay) *http.Request {
	t.Helper()
	req, err := r.Again(t.Context())
	require.NoError(t, err)
	return req
}

func readAll(t *testing.T, req *http.Request) string {
	t.Helper()
	data, err := io.ReadAll(req.Body)
	require.NoError(t, err)
	return string(data)
}

func TestReplayWithoutBody(t *testing.T) {
	t.Parallel()
	for _, body := range []io.ReadCloser{nil, http.NoBody} {
		req := post(t, nil)
		req.Body = body
		r := httpx.NewReplay(req, 0)
		require.Same(t, req, r.First())
		require.True(t, r.Repeatable())
		require.Equal(t, body, again(t, r).Body)
		r.Done()
	}
}

func TestReplayWithGetBody(t *testing.T) {
	t.Parallel()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://api.example.com/", strings.NewReader("payload"))
	require.NoError(t, err)
	r := httpx.NewReplay(req, 0)
	require.Same(t, req, r.First(), "the first attempt is the caller's request itself")
	require.Equal(t, "payload", readAll(t, req))
	second := again(t, r)
	require.NotSame(t, req, second)
	require.Equal(t, "payload", readAll(t, second))
	require.NotNil(t, second.GetBody)
	require.Equal(t, req.ContentLength, second.ContentLength)

	failure := errors.New("the file is gone")
	req.GetBody = func() (io.ReadCloser, error) { return nil, failure }
	_, err = r.Again(t.Context())
	require.ErrorIs(t, err, failure)

	req.GetBody = func() (io.ReadCloser, error) { return nil, nil }
	_, err = r.Again(t.Context())
	require.ErrorIs(t, err, httpx.ErrNotRepeatable, "not sent without a body")
}

func TestReplayRecordsWhileStreaming(t *testing.T) {
	t.Parallel()
	body := rttest.NewBody("payload")
	r := httpx.NewReplay(post(t, body), 7)
	first := r.First()
	require.Equal(t, "payload", readAll(t, first))
	require.NoError(t, first.Body.Close())
	require.Zero(t, body.Closes(), "another attempt may follow")
	require.True(t, r.Repeatable())

	second := again(t, r)
	require.Equal(t, "payload", readAll(t, second))
	r.Done()
	require.Zero(t, body.Closes(), "the second attempt still has it")
	require.NoError(t, second.Body.Close())
	require.NoError(t, second.Body.Close())
	require.Equal(t, 1, body.Closes())
}

func TestReplayThatWasNotUsed(t *testing.T) {
	t.Parallel()
	body := rttest.NewBody("payload")
	httpx.NewReplay(post(t, body), 7).Done()
	require.Equal(t, 1, body.Closes())
}

func TestReplayOfHalfSentBody(t *testing.T) {
	t.Parallel()
	r := httpx.NewReplay(post(t, iotest.OneByteReader(strings.NewReader("payload"))), 100)
	first := r.First()
	_, err := io.ReadFull(first.Body, make([]byte, 3))
	require.NoError(t, err)
	second := again(t, r)
	require.Equal(t, "payload", readAll(t, second), "three recorded bytes, then the rest of the source")
	require.Equal(t, "load", readAll(t, first), "a transport that still reads sees the same body")
	r.Done()
}

func TestReplayBeyondLimit(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		limit int64
		read  int
		want  bool
	}{
		"nothing kept, nothing read": {0, 0, true},
		"nothing kept, one read":     {0, 1, false},
		"all kept":                   {7, 7, true},
		"one too long":               {6, 7, false},
		"not yet too long":           {6, 6, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := rttest.NewBody("payload")
			r := httpx.NewReplay(post(t, body), tt.limit)
			first := r.First()
			_, err := io.ReadFull(first.Body, make([]byte, tt.read))
			require.NoError(t, err)
			require.Equal(t, tt.want, r.Repeatable())
			if tt.want {
				require.Equal(t, "payload", readAll(t, again(t, r)))
				return
			}
			_, err = r.Again(t.Context())
			require.ErrorIs(t, err, httpx.ErrNotRepeatable)
			rest, err := io.ReadAll(first.Body)
			require.NoError(t, err)
			require.Equal(t, "payload"[tt.read:], string(rest), "the one attempt gets all of it")
			require.NoError(t, first.Body.Close())
			require.Equal(t, 1, body.Closes(), "closed at once: nobody can want it again")
			r.Done()
			require.Equal(t, 1, body.Closes())
		})
	}
}

func TestReplayOfFailingBody(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{errors.New("disk error"), fmt.Errorf("disk: %w", io.EOF)} {
		r := httpx.NewReplay(post(t, io.MultiReader(strings.NewReader("pay"), iotest.ErrReader(failure))), 100)
		data, err := io.ReadAll(r.First().Body)
		require.ErrorIs(t, err, failure)
		require.Equal(t, "pay", string(data))
		require.False(t, r.Repeatable(), "it would fail again")
		r.Done()
	}
}

func TestReplayReplacedAttemptCannotSpoilTheNext(t *testing.T) {
	t.Parallel()
	r := httpx.NewReplay(post(t, strings.NewReader("payload")), 4)
	first := r.First()
	_, err := io.ReadFull(first.Body, make([]byte, 2))
	require.NoError(t, err)
	second := again(t, r)
	data, err := io.ReadAll(first.Body)
	require.Error(t, err, "reading on would overflow the record")
	require.Equal(t, "yl", string(data))
	require.Equal(t, "payload", readAll(t, second))
	require.NoError(t, first.Body.Close())
	_, err = first.Body.Read(make([]byte, 1))
	require.Error(t, err)
}

// What an attempt reads beyond the limit after it was replaced is lost to the next,
// which must not send a body with a gap.
func TestReplayReplacedDuringARead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pr, pw := io.Pipe()
		r := httpx.NewReplay(post(t, pr), 4)
		first := r.First()
		read := make(chan int)
		go func() {
			n, _ := first.Body.Read(make([]byte, 100))
			read <- n
		}()
		synctest.Wait()
		second := again(t, r)
		go func() {
			_, _ = io.WriteString(pw, "payload")
			_, _ = io.WriteString(pw, " and more")
		}()
		require.Equal(t, 7, <-read)
		data, err := io.ReadAll(second.Body)
		require.ErrorIs(t, err, httpx.ErrNotRepeatable)
		require.Empty(t, data)
		require.False(t, r.Repeatable())
		require.NoError(t, second.Body.Close())
		r.Done()
	})
}

// A transport may read an attempt's body long after the next one began.
func TestReplayAttemptsReadAtOnce(t *testing.T) {
	t.Parallel()
	want := strings.Repeat("0123456789", 1000)
	r := httpx.NewReplay(post(t, iotest.HalfReader(strings.NewReader(want))), int64(len(want)))
	var wg sync.WaitGroup
	for i := range 8 {
		req := r.First()
		if i > 0 {
			req = again(t, r)
		}
		wg.Go(func() {
			var got bytes.Buffer
			_, err := got.ReadFrom(iotest.OneByteReader(req.Body))
			if err == nil && got.String() != want {
				t.Errorf("an attempt read %d bytes that are not the body", got.Len())
			}
			_ = req.Body.Close()
		})
	}
	wg.Wait()
	require.Equal(t, want, readAll(t, again(t, r)))
	r.Done()
}

// A source that gives nothing blocks the first attempt; the one that replaced
// it waits for its turn no longer than the call lives.
func TestReplayWaitForTurnEndsWithContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		pr, pw := io.Pipe()
		r := httpx.NewReplay(post(t, pr).WithContext(ctx), 100)
		first := r.First()
		go func() { _, _ = first.Body.Read(make([]byte, 1)) }()
		synctest.Wait()
		second := again(t, r)
		done := make(chan error)
		go func() {
			_, err := second.Body.Read(make([]byte, 1))
			done <- err
		}()
		synctest.Wait()
		cancel(cause)
		require.ErrorIs(t, <-done, cause)
		require.NoError(t, pw.Close())
	})
}

// What is below may open the recorded body too, if it is known to fit.
func TestReplayGivesGetBody(t *testing.T) {
	t.Parallel()
	const payload = "payload"
	for name, tt := range map[string]struct {
		length, limit int64
		want          bool
	}{
		"fits":           {7, 7, true},
		"too long":       {7, 6, false},
		"unknown length": {-1, 100, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := post(t, strings.NewReader(payload))
			req.ContentLength = tt.length
			r := httpx.NewReplay(req, tt.limit)
			first := r.First()
			require.Nil(t, req.GetBody, "the caller's request stays as it is")
			require.Equal(t, tt.want, first.GetBody != nil)
			r.Done()
		})
	}

	body := rttest.NewBody(payload)
	req := post(t, body)
	req.ContentLength = int64(len(payload))
	r := httpx.NewReplay(req, 100)
	first := r.First()
	_, err := io.ReadFull(first.Body, make([]byte, 3))
	require.NoError(t, err)
	copied, err := first.GetBody()
	require.NoError(t, err)
	data, err := io.ReadAll(copied)
	require.NoError(t, err)
	require.Equal(t, payload, string(data))
	require.NoError(t, copied.Close())
	require.Equal(t, payload[3:], readAll(t, first), "the attempt's own reader keeps its place")
	require.NoError(t, first.Body.Close())

	instead, err := first.GetBody()
	require.NoError(t, err)
	r.Done()
	require.Zero(t, body.Closes(), "the reader that has taken the attempt's place is open")
	data, err = io.ReadAll(instead)
	require.NoError(t, err)
	require.Equal(t, payload, string(data))
	require.NoError(t, instead.Close())
	require.Equal(t, 1, body.Closes())
	_, err = first.GetBody()
	require.ErrorIs(t, err, httpx.ErrNotRepeatable)
}
