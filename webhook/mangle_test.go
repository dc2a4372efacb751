package webhook_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

// No preset whose signature covers the body takes one that was changed on the
// way, whatever has changed it.
func TestAttackMangledBodies(t *testing.T) {
	t.Parallel()
	for _, p := range presets() {
		if !p.signedBody {
			continue
		}
		t.Run(p.scheme.Name, func(t *testing.T) {
			t.Parallel()
			v, req, body := p.signed(t)
			_, err := v.VerifyAt(req, body, time.Now())
			require.NoError(t, err)
			n := 0
			for name, mangled := range webhooktest.Mangled(body) {
				_, err := v.VerifyAt(req, mangled, time.Now())
				require.ErrorIs(t, err, webhook.ErrBadSignature, "%s: %q", name, mangled)
				n++
			}
			require.Greater(t, n, 5)
		})
	}
}
