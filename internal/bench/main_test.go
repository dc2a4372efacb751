package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	bench "github.com/holdfast-go/holdfast/internal/bench"
	"github.com/holdfast-go/holdfast/internal/bench/report"
)

func TestTable(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	status := bench.Run(t.Context(), []string{"-runs", "1", "-scenario", "hosts"}, &stdout, &stderr)
	require.Equal(t, 0, status, stderr.String())
	require.Empty(t, stderr.String())
	for _, want := range []string{
		"GOMAXPROCS", "1 rounds", "parallel-hosts: GET", "ns/op", "× glue  × bare", "bare", "glue", "holdfast",
	} {
		require.Contains(t, stdout.String(), want)
	}
	require.NotContains(t, stdout.String(), "happy")
}

// A scenario says whom it compares with.
func TestBaseline(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	status := bench.Run(t.Context(), []string{"-runs", "1", "-scenario", "^circuit$"}, &stdout, &stderr)
	require.Equal(t, 0, status, stderr.String())
	require.Contains(t, stdout.String(), "× gobreaker  × bare")
	require.NotContains(t, stdout.String(), "glue")
}

func TestJSON(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	status := bench.Run(t.Context(), []string{"-runs", "2", "-scenario", "^(failure|token)$", "-json"}, &stdout, &stderr)
	require.Equal(t, 0, status, stderr.String())

	dec := json.NewDecoder(&stdout)
	dec.DisallowUnknownFields()
	var document struct {
		report.Environment
		Scenarios []struct {
			Name, About string
			Bases       []string
			Subjects    []map[string]any
		}
	}
	require.NoError(t, dec.Decode(&document))
	_, err := dec.Token()
	require.ErrorIs(t, err, io.EOF, "one document and nothing else")

	require.Equal(t, 2, document.Rounds)
	require.Len(t, document.Scenarios, 2)
	for i, want := range []struct{ name, baseline string }{{"failure", "glue"}, {"token", "x-oauth2"}} {
		s := document.Scenarios[i]
		require.Equal(t, want.name, s.Name)
		require.Equal(t, []string{want.baseline, "bare"}, s.Bases)
		for _, row := range s.Subjects {
			require.Len(t, row, 7)
			for _, member := range []string{"ns_per_op", "to_" + want.baseline, "to_bare", "allocs_per_op", "bytes_per_op"} {
				require.Positive(t, row[member], "%s of %s", member, row["name"])
			}
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"help":           {[]string{"-h"}, 0, "-scenario"},
		"unknown flag":   {[]string{"-fast"}, 2, "-fast"},
		"argument":       {[]string{"happy"}, 2, `unexpected argument "happy"`},
		"no runs":        {[]string{"-runs", "0"}, 2, "-runs is 0: must be positive"},
		"bad expression": {[]string{"-scenario", "("}, 2, "-scenario: error parsing regexp"},
		"no match":       {[]string{"-scenario", "sad"}, 2, `no scenario matches "sad"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			require.Equal(t, test.status, bench.Run(t.Context(), test.args, &stdout, &stderr))
			require.Contains(t, stderr.String(), test.want)
			require.Empty(t, stdout.String())
		})
	}
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{nil, {"-json"}} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, 1, bench.Run(ctx, args, &stdout, &stderr))
		require.Equal(t, "bench: happy: measure: bare: context canceled\n", stderr.String())
	}
}
