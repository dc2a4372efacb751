package scenario_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/bench/scenario"
)

// All who verify take what was signed, again and again, and nothing else.
func TestVerify(t *testing.T) {
	t.Parallel()
	verified := 0
	for _, s := range scenario.All() {
		for _, sub := range s.Subjects {
			if sub.Receive == nil {
				continue
			}
			verified++
			load, err := s.Start(t.Context(), s.Work(sub))
			require.NoError(t, err)
			require.NoError(t, load.Run(3), sub.Name)

			body := []byte("{\"paid\": false}")
			verify := sub.Receive(bytes.Clone(body))
			require.NoError(t, verify(body), sub.Name)
			require.Error(t, verify([]byte("{\"paid\": true }")), sub.Name)
			require.Error(t, verify(nil), sub.Name)
			require.NoError(t, verify(body), sub.Name)
		}
	}
	require.Equal(t, 7, verified)
}
