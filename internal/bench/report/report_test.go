package report_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/bench/measure"
	"github.com/holdfast-go/holdfast/internal/bench/report"
)

func series(name string, nanos ...float64) measure.Series {
	s := measure.Series{Name: name}
	for _, n := range nanos {
		s.Samples = append(s.Samples, measure.Sample{Nanos: n, Allocs: 2, Bytes: 192})
	}
	return s
}

func TestScenario(t *testing.T) {
	t.Parallel()
	s := report.New("happy", "GET", []string{"glue", "bare"}, []measure.Series{
		series("bare", 80, 100, 120),
		series("glue", 320, 400, 480),
		series("something-longer", 160, 200, 240),
	})
	require.Equal(t, report.Row{
		Name: "something-longer", Nanos: 200, Spread: 0.1, Ratios: map[string]float64{"glue": 0.5, "bare": 2},
		Allocs: 2, Bytes: 192,
	}, s.Rows[2])

	var out bytes.Buffer
	require.NoError(t, s.Write(&out))
	require.Equal(t, `
happy: GET
                    ns/op  ±%  × glue  × bare  allocs/op  B/op
  bare                100  10    0.25    1.00          2   192
  glue                400  10    1.00    4.00          2   192
  something-longer    200  10    0.50    2.00          2   192
`, out.String())
}

// The columns and the members are named after what is compared with.
func TestBases(t *testing.T) {
	t.Parallel()
	s := report.New("circuit", "GET", []string{"gobreaker"}, []measure.Series{
		series("gobreaker", 100), series("holdfast", 50),
	})

	var out bytes.Buffer
	require.NoError(t, s.Write(&out))
	require.Equal(t, `
circuit: GET
             ns/op  ±%  × gobreaker  allocs/op  B/op
  gobreaker    100   0         1.00          2   192
  holdfast      50   0         0.50          2   192
`, out.String())

	got, err := json.Marshal(s)
	require.NoError(t, err)
	require.JSONEq(t, `{"name": "circuit", "about": "GET", "bases": ["gobreaker"], "subjects": [
		{"name": "gobreaker", "ns_per_op": 100, "spread": 0, "to_gobreaker": 1, "allocs_per_op": 2, "bytes_per_op": 192},
		{"name": "holdfast", "ns_per_op": 50, "spread": 0, "to_gobreaker": 0.5, "allocs_per_op": 2, "bytes_per_op": 192}
	]}`, string(got))
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, report.Environment{
		Go: "go1.26.0", OS: "linux", Arch: "amd64", GOMAXPROCS: 2, Rounds: 100,
		Modules: map[string]string{"golang.org/x/time": "v0.16.0", "github.com/sony/gobreaker/v2": "v2.4.0"},
	}.Write(&out))
	require.Equal(t, `go1.26.0 linux/amd64, GOMAXPROCS 2, 100 rounds
github.com/sony/gobreaker/v2 v2.4.0, golang.org/x/time v0.16.0
`, out.String())

	here := report.Here(7)
	require.Equal(t, 7, here.Rounds)
	require.NotEmpty(t, here.Go)
	require.Positive(t, here.GOMAXPROCS)
}
