package subject_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/sony/gobreaker/v2"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/bench/subject"
)

// circuits are the subjects that are a circuit and nothing else, and what they
// refuse with.
var circuits = []struct {
	subject subject.Subject
	refusal error
}{
	{subject.Gobreaker(), gobreaker.ErrOpenState},
	{subject.GobreakerTwoStep(), gobreaker.ErrOpenState},
	{subject.HoldfastBreaker(), breaker.ErrOpen},
	{subject.FailsafeBreaker(), circuitbreaker.ErrOpen},
}

// All circuits are set alike: what opens one opens each.
func TestCircuits(t *testing.T) {
	t.Parallel()
	for _, test := range circuits {
		t.Run(test.subject.Name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				u := &upstream{statuses: []int{0}}
				transport := test.subject.Wrap(u)
				calls := func(n, status int) {
					t.Helper()
					u.statuses[0] = status
					for range n {
						req, _ := request(t.Context(), t, http.MethodGet)
						resp, err := transport.RoundTrip(req)
						if status == 0 {
							require.ErrorIs(t, err, errTransport)
							continue
						}
						require.NoError(t, err)
						require.Equal(t, status, resp.StatusCode)
						require.NoError(t, resp.Body.Close())
					}
				}
				const forgotten = 40 * time.Second

				calls(10, http.StatusNotFound) // no failure; failsafe-go rounds one of 200 away
				calls(200, http.StatusInternalServerError)
				time.Sleep(forgotten)
				calls(99, http.StatusInternalServerError)
				time.Sleep(forgotten)
				calls(50, http.StatusBadGateway)
				time.Sleep(10 * time.Second)
				calls(50, 0)

				before := len(u.sent)
				req, _ := request(t.Context(), t, http.MethodGet)
				_, err := transport.RoundTrip(req)
				require.ErrorIs(t, err, test.refusal)
				require.Len(t, u.sent, before)

				time.Sleep(10 * time.Second)
				calls(3, http.StatusOK) // the first is a probe
			})
		})
	}
}

// A refused call is not sent, but its body is closed. failsafe-go does not
// close it.
func TestCircuitsCloseBodies(t *testing.T) {
	t.Parallel()
	for _, test := range circuits[:3] {
		t.Run(test.subject.Name, func(t *testing.T) {
			t.Parallel()
			transport := test.subject.Wrap(&upstream{statuses: []int{503}})
			for range 100 {
				req, closed := request(t.Context(), t, http.MethodPost)
				resp, err := transport.RoundTrip(req)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.EqualValues(t, 1, closed.Load())
			}
			req, closed := request(t.Context(), t, http.MethodPost)
			_, err := transport.RoundTrip(req)
			require.ErrorIs(t, err, test.refusal)
			require.EqualValues(t, 1, closed.Load())
		})
	}
}
