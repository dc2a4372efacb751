package subject_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/bench/subject"
)

// Wait sends nothing for a caller who has gone, and the body is closed.
func TestRateStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	u := &upstream{statuses: []int{200}}
	req, closed := request(ctx, t, http.MethodPost)
	_, err := subject.Rate().Wrap(u).RoundTrip(req)
	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, 1, closed.Load())
	require.Empty(t, u.sent)
}
