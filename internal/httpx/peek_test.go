package httpx_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// Whatever was looked at, the reader gets the body as it was.
func TestPeek(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		step  rttest.Step
		limit int
		head  string
		want  string
		err   error
	}{
		"all of it":         {rttest.Step{Body: "sorry"}, 100, "sorry", "sorry", nil},
		"exactly the limit": {rttest.Step{Body: "sorry"}, 5, "sorry", "sorry", nil},
		"the beginning":     {rttest.Step{Body: "sorry"}, 2, "so", "sorry", nil},
		"cut before":        {rttest.Step{Body: "sor", Cut: true}, 100, "sor", "sor", rttest.ErrCut},
		"cut behind":        {rttest.Step{Body: "sorry", Cut: true}, 2, "so", "sorry", rttest.ErrCut},
		"nothing":           {rttest.Step{Body: "sorry"}, 0, "", "sorry", nil},
		"without a body":    {rttest.Step{Status: 204}, 100, "", "", nil},
		"with a trailer":    {rttest.Step{Body: "sorry", Trailer: "x"}, 100, "sorry", "sorry", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // a busy machine takes DrainTime for anything
				resp, body := answer(t, tt.step)
				length := resp.ContentLength
				require.Equal(t, tt.head, string(httpx.Peek(resp, tt.limit)))
				require.Zero(t, body.Closes()-map[bool]int{true: 1}[tt.step.Body == ""], "it is not closed")
				got, err := io.ReadAll(resp.Body)
				require.Equal(t, tt.want, string(got))
				require.ErrorIs(t, err, tt.err)
				require.Equal(t, length, resp.ContentLength)
				require.Equal(t, tt.step.Trailer, resp.Trailer.Get("Sum"))
				require.NoError(t, resp.Body.Close())
				require.Equal(t, 1, body.Closes())
			})
		})
	}
	require.Nil(t, httpx.Peek(&http.Response{}, 100))
}

func TestPeekReadsNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		resp, body := answer(t, rttest.Step{Body: "x", Endless: true})
		require.Len(t, httpx.Peek(resp, 8<<10), 8<<10)
		require.Equal(t, 8<<10, body.BytesRead())
		require.NoError(t, resp.Body.Close())
	})
}

// A body that failed once may not do so again.
func TestPeekKeepsTheError(t *testing.T) {
	t.Parallel()
	body := &failsOnce{err: errors.New("broken")}
	resp := &http.Response{Body: body}
	require.Empty(t, httpx.Peek(resp, 100))
	for range 2 {
		_, err := resp.Body.Read(make([]byte, 10))
		require.Equal(t, errors.New("broken"), err)
	}
}

type failsOnce struct{ err error }

func (f *failsOnce) Read([]byte) (int, error) {
	err := f.err
	f.err = io.EOF
	return 0, err
}

func (f *failsOnce) Close() error { return nil }

func TestPeekedBodyIsGoneWhenClosed(t *testing.T) {
	t.Parallel()
	resp, _ := answer(t, rttest.Step{Body: "sorry"})
	httpx.Peek(resp, 100)
	require.NoError(t, resp.Body.Close())
	_, err := resp.Body.Read(make([]byte, 10))
	require.Equal(t, http.ErrBodyReadAfterClose, err)
}
