package httpsig_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/httpsig"
)

// Whatever the URL, both sides see the same.
// What a stranger can make us do before any key is looked for is bounded.
func TestLongFields(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, httpsig.VerifierConfig{Keys: func(context.Context, string) ([]httpsig.Key, error) {
		t.Error("a key is looked for")
		return nil, nil
	}})
	list := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for name, c := range map[string]struct{ components, params, dictionary string }{
		"long dictionary": {` "x";key="k1"`, "", list(150_000, "k%d, ") + "end"},
		"many keys":       {list(65, ` "x";key="k%d"`), "", list(1000, "k%d, ") + "end"},
		"many parameters": {"", list(257, ";p%d"), "end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := httptest.NewRequest(http.MethodGet, "https://api.example.com/", http.NoBody)
			req.Header.Set("X", c.dictionary)
			req.Header.Set("Signature-Input", fmt.Sprintf(`sig1=("@method" "@authority" "@path" "@query"%s);created=%d%s`, c.components, time.Now().Unix(), c.params))
			req.Header.Set("Signature", "sig1=:AA==:")
			_, err := v.VerifyRequest(req)
			var e *httpsig.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, httpsig.Malformed, e.Reason)
		})
	}
}
