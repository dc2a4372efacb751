package httpx_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

func TestIdempotent(t *testing.T) {
	t.Parallel()
	for method, tt := range map[string]struct{ safe, idempotent bool }{
		"": {true, true}, "GET": {true, true}, "HEAD": {true, true}, "OPTIONS": {true, true}, "TRACE": {true, true},
		"PUT": {false, true}, "DELETE": {false, true},
		"POST": {}, "PATCH": {}, "CONNECT": {}, "get": {},
	} {
		req := &http.Request{Method: method}
		require.Equal(t, tt.safe, httpx.Safe(req), method)
		require.Equal(t, tt.idempotent, httpx.Idempotent(req), method)
		for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
			for _, values := range [][]string{nil, {"k"}} {
				require.True(t, httpx.Idempotent(&http.Request{Method: method, Header: http.Header{name: values}}), method)
			}
			require.Equal(t, tt.idempotent, httpx.Idempotent(&http.Request{Method: method, Header: http.Header{name: {""}}}), method)
		}
	}
}

// unsent says what its value is.
type unsent bool

func (unsent) Error() string   { return "below" }
func (e unsent) NotSent() bool { return bool(e) }

// failedDial says NotSent and wraps a failure to dial.
type failedDial struct {
	unsent
	error
}

func (e failedDial) Error() string { return e.error.Error() }
func (e failedDial) Unwrap() error { return e.error }

func TestNotSent(t *testing.T) {
	t.Parallel()
	dial := fmt.Errorf("below: %w", &net.OpError{Op: "dial", Err: errors.New("refused")})
	key := http.Header{"Idempotency-Key": {"k"}}
	for name, tt := range map[string]struct {
		req  *http.Request
		err  error
		want bool
	}{
		"no error":               {&http.Request{}, nil, false},
		"another error":          {&http.Request{}, errors.New("broken"), false},
		"read":                   {&http.Request{}, &net.OpError{Op: "read", Err: net.ErrClosed}, false},
		"dial":                   {&http.Request{Method: http.MethodPost}, dial, true},
		"proxy not dialled":      {&http.Request{Method: http.MethodPost}, &net.OpError{Op: "proxyconnect", Err: dial}, true},
		"dial, PUT":              {&http.Request{Method: http.MethodPut}, dial, true},
		"dial, GET with a key":   {&http.Request{Header: key}, dial, true},
		"dial, POST with a key":  {&http.Request{Method: http.MethodPost, Header: key}, dial, false},
		"dial, PUT with a key":   {&http.Request{Method: http.MethodPut, Header: key}, dial, false},
		"dial, request unknown":  {nil, dial, true},
		"says so":                {&http.Request{Method: http.MethodPost, Header: key}, fmt.Errorf("below: %w", unsent(true)), true},
		"says no":                {&http.Request{}, unsent(false), false},
		"says no of a dial":      {&http.Request{}, failedDial{unsent(false), dial}, false},
		"says so of a dial, key": {&http.Request{Method: http.MethodPost, Header: key}, failedDial{unsent(true), dial}, true},
	} {
		require.Equal(t, tt.want, httpx.NotSent(tt.req, tt.err), name)
	}
}
