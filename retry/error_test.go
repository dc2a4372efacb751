package retry_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/retry"
)

// What is said to be unsent may be sent elsewhere, so one attempt that may have
// arrived is enough, whatever the last one came to. And one that was not refused
// is enough for the server to be blamed.
func TestErrorNotSent(t *testing.T) {
	t.Parallel()
	sent, dial := errors.New("broken"), error(&net.OpError{Op: "dial", Err: errors.New("refused")})
	limit := error(behaving{notSent: true, retryable: true})
	for name, tt := range map[string]struct {
		attempts         []error
		notSent, refused bool
	}{
		"none":                {[]error{dial, dial, dial}, true, false},
		"first":               {[]error{sent, dial, dial}, false, false},
		"last":                {[]error{dial, dial, sent}, false, false},
		"refused":             {[]error{limit, limit, limit}, true, true},
		"refused at first":    {[]error{limit, dial, dial, dial}, true, false},
		"refused at last":     {[]error{dial, limit, limit, limit}, true, false},
		"refused and arrived": {[]error{limit, sent, limit, limit}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				policy, err := retry.New(retry.Config{})
				require.NoError(t, err)
				left := tt.attempts
				_, err = retry.Do(t.Context(), policy, func(context.Context) (int, error) {
					err := left[0]
					left = left[1:]
					return 0, err
				})
				var e *retry.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, tt.notSent, e.NotSent())
				require.Equal(t, tt.refused, e.Refused())
			})
		})
	}
	require.False(t, (&retry.Error{}).NotSent(), "what is not known is not promised")
	require.False(t, (&retry.Error{}).Refused(), "nor is this")
}
