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
// arrived is enough, whatever the last one came to.
func TestErrorNotSent(t *testing.T) {
	t.Parallel()
	sent, dial := errors.New("broken"), error(&net.OpError{Op: "dial", Err: errors.New("refused")})
	for name, tt := range map[string]struct {
		attempts []error
		notSent  bool
	}{
		"none":  {[]error{dial, dial, dial}, true},
		"first": {[]error{sent, dial, dial}, false},
		"last":  {[]error{dial, dial, sent}, false},
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
			})
		})
	}
	require.False(t, (&retry.Error{}).NotSent(), "what is not known is not promised")
}
