package subject_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/bench/subject"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Each request has the token, and none of them is the caller's own.
func TestTokens(t *testing.T) {
	t.Parallel()
	for _, sub := range []subject.Subject{subject.OAuth2(), subject.HoldfastAuth()} {
		t.Run(sub.Name, func(t *testing.T) {
			t.Parallel()
			var sent []string
			transport := sub.Wrap(roundTripper(func(req *http.Request) (*http.Response, error) {
				sent = append(sent, req.Header.Get("Authorization"))
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
			}))
			req, _ := request(t.Context(), t, http.MethodGet)
			for range 2 {
				resp, err := transport.RoundTrip(req)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
			}
			require.Equal(t, []string{"Bearer " + subject.AccessToken, "Bearer " + subject.AccessToken}, sent)
			require.Empty(t, req.Header)
		})
	}
}
