package httpx_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

type (
	plainKey   struct{}
	requestKey struct{ httpx.OfRequest }
)

func TestAside(t *testing.T) {
	t.Parallel()
	parent, cancel := context.WithCancelCause(t.Context())
	parent = context.WithValue(context.WithValue(parent, plainKey{}, 1), requestKey{}, 2)
	ctx := httpx.Aside(parent)
	require.Equal(t, 1, ctx.Value(plainKey{}))
	require.Nil(t, ctx.Value(requestKey{}))
	require.Nil(t, httptrace.ContextClientTrace(ctx))
	require.Equal(t, 3, context.WithValue(ctx, requestKey{}, 3).Value(requestKey{}), "it can be set again")
	gone := errors.New("gone")
	cancel(gone)
	<-ctx.Done()
	require.Equal(t, gone, context.Cause(ctx))
}

// No func of the trace is called, neither by net/http nor by net.
func TestAsideIsNotTraced(t *testing.T) {
	t.Parallel()
	for _, aside := range []bool{false, true} {
		var told []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GetConn:      func(string) { told = append(told, "GetConn") },
			DNSStart:     func(httptrace.DNSStartInfo) { told = append(told, "DNSStart") },
			DNSDone:      func(httptrace.DNSDoneInfo) { told = append(told, "DNSDone") },
			ConnectStart: func(string, string) { told = append(told, "ConnectStart") },
			ConnectDone:  func(string, string, error) { told = append(told, "ConnectDone") },
		})
		if aside {
			ctx = httpx.Aside(ctx)
		}
		// It looks the name up and has nowhere to connect to.
		resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("no network")
		}}
		transport := &http.Transport{DialContext: (&net.Dialer{Resolver: resolver}).DialContext}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://host.invalid/", nil)
		require.NoError(t, err)
		_, err = transport.RoundTrip(req)
		require.Error(t, err)
		if aside {
			require.Empty(t, told)
			continue
		}
		require.Subset(t, told, []string{"GetConn", "DNSStart", "DNSDone"})
	}
}
