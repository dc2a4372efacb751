package httpx_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

func TestOver(t *testing.T) {
	t.Parallel()
	require.NoError(t, httpx.Over(t.Context()))
	errGone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errGone)
	require.Equal(t, errGone, httpx.Over(ctx))
	early, cancelEarly := context.WithTimeout(t.Context(), time.Hour)
	defer cancelEarly()
	require.NoError(t, httpx.Over(early))
	late := rttest.LateContext(t.Context())
	require.NoError(t, late.Err())
	require.Equal(t, context.DeadlineExceeded, httpx.Over(late))
}
