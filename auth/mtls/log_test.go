package mtls_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/mtls"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

func TestLogHooks(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	hooks := mtls.LogHooks(rttest.NewLogger(&buf))
	hooks.Rotated(mtls.Rotation{Generation: 2, NotAfter: time.Unix(0, 0)})
	hooks.Failed(errors.New("mtls: load: gone"))
	require.Equal(t, `level=INFO msg="client certificate in use" generation=2 not_after=1970-01-01T00:00:00.000Z
level=ERROR msg="client certificate not replaced" error="mtls: load: gone"
`, buf.String())
	require.NotNil(t, mtls.LogHooks(nil).Failed)
}
