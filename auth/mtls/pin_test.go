package mtls_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/mtls"
)

func TestPins(t *testing.T) {
	t.Parallel()
	f, a, s, first := setUp(t, false)
	spare := mtls.Pin(newAuthority(t).cert)
	for name, tt := range map[string]struct {
		pins []string
		good bool
	}{
		"leaf":      {[]string{mtls.Pin(s.cert), spare}, true},
		"authority": {[]string{spare, mtls.Pin(a.cert)}, true},
		"neither":   {[]string{spare, mtls.Pin(newAuthority(t).cert)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := f.config()
			c.Pins = tt.pins
			got, err := call(t, newTransport(t, c), s.URL)
			if tt.good {
				require.NoError(t, err)
				require.Equal(t, first+" false", got)
			} else {
				require.ErrorIs(t, err, mtls.ErrPin)
			}
		})
	}
}

// A resumed session is checked like any other, and so is what the user wants
// checked.
func TestPinsOnResumption(t *testing.T) {
	t.Parallel()
	f, a, s, first := setUp(t, false)
	var mu sync.Mutex
	var resumed []bool
	c := f.config()
	c.Pins = []string{mtls.Pin(a.cert), mtls.Pin(newAuthority(t).cert)}
	c.Base = &http.Transport{TLSClientConfig: &tls.Config{VerifyConnection: func(state tls.ConnectionState) error {
		mu.Lock()
		defer mu.Unlock()
		resumed = append(resumed, state.DidResume)
		if len(resumed) == 3 {
			return errors.New("not this one")
		}
		return nil
	}}}
	tr := newTransport(t, c)
	for _, want := range []string{" false", " true"} {
		got, err := call(t, tr, s.URL)
		require.NoError(t, err)
		require.Equal(t, first+want, got)
		tr.CloseIdleConnections()
		<-s.closed
	}
	_, err := call(t, tr, s.URL)
	require.ErrorContains(t, err, "not this one")
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []bool{false, true, true}, resumed)
}
