package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	ecommerce "github.com/holdfast-go/holdfast/examples/ecommerce"
	"github.com/holdfast-go/holdfast/examples/ecommerce/trial"
)

// run runs the program and returns what a shell would see.
func run(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = ecommerce.Run(t.Context(), args, &out, &errs)
	return status, out.String(), errs.String()
}

func TestJSON(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := run(t, "-orders", "20", "-seed", "4", "-faults", "harsh", "-json")
	require.Equal(t, 0, status, stderr)
	require.Equal(t, "plain: placing 20 orders\nholdfast: placing 20 orders\n", stderr)

	dec := json.NewDecoder(strings.NewReader(stdout))
	dec.DisallowUnknownFields()
	var report trial.Report
	require.NoError(t, dec.Decode(&report))
	_, err := dec.Token()
	require.ErrorIs(t, err, io.EOF, "one document and nothing else")

	require.Equal(t, 20, report.Orders)
	require.EqualValues(t, 4, report.Seed)
	require.Equal(t, "harsh", report.Faults.String())
	require.Len(t, report.Shops, 2)
	require.Equal(t, trial.Plain, report.Shops[0].Shop)
	require.Equal(t, trial.Holdfast, report.Shops[1].Shop)
	require.Equal(t, 20, report.Shops[1].Completed)
}

func TestTable(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := run(t, "-orders", "10")
	require.Equal(t, 0, status, stderr)
	for _, want := range []string{
		"10 orders, seed 1, faults mild", "orders completed", "orders lost", "double charges",
		"calls sent", "429s received", "p50", "p99", "inventory", "payments", "shipping", "analytics",
	} {
		require.Contains(t, stdout, want)
	}
	require.NotContains(t, stdout, "\r")
	require.NotContains(t, stderr, "\r", "no terminal, no moving line")
}

func TestBadFlags(t *testing.T) {
	t.Parallel()
	tests := []struct{ args, want string }{
		{"-orders 0", "-orders 0: want 1 to 100000"},
		{"-orders -5", "-orders -5: want 1 to 100000"},
		{"-orders 100001", "want 1 to 100000"},
		{"-orders many", `invalid value "many" for flag -orders`},
		{"-seed -1", `invalid value "-1" for flag -seed`},
		{"-faults medium", "want none, mild or harsh"},
		{"-nonsense", "flag provided but not defined: -nonsense"},
		{"more", `unexpected argument "more"`},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := run(t, strings.Fields(tt.args)...)
			require.Equal(t, 2, status)
			require.Empty(t, stdout)
			require.Contains(t, stderr, tt.want)
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := run(t, "-h")
	require.Equal(t, 0, status)
	require.Empty(t, stdout)
	for _, name := range []string{"-orders", "-seed", "-faults", "-json"} {
		require.Contains(t, stderr, name)
	}
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupt"))
	var stdout, stderr bytes.Buffer
	require.Equal(t, 130, ecommerce.Run(ctx, []string{"-orders", "1000", "-json"}, &stdout, &stderr))
	require.Empty(t, stdout.String())
	require.True(t, strings.HasSuffix(stderr.String(), "ecommerce: interrupted\n"), stderr.String())
}

func TestStatusTellsHowHoldfastDid(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name            string
		plain, holdfast trial.Result
		err             error
		want            int
	}{
		{name: "good", want: 0},
		{name: "only plain is bad", plain: trial.Result{Lost: 1, DoubleCharges: 1, WrongBooks: 1}, want: 0},
		{name: "an order is lost", holdfast: trial.Result{Lost: 1}, want: 1},
		{name: "somebody is charged twice", holdfast: trial.Result{DoubleCharges: 1}, want: 1},
		{name: "a payment is booked twice", holdfast: trial.Result{WrongBooks: 1}, want: 1},
		{name: "broken", err: errors.New("no port is free"), want: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.plain.Shop, tt.holdfast.Shop = trial.Plain, trial.Holdfast
			for _, args := range [][]string{nil, {"-json"}} {
				var stdout, stderr bytes.Buffer
				status := ecommerce.RunTrial(t.Context(), args, &stdout, &stderr, func(context.Context, trial.Config) (trial.Report, error) {
					return trial.Report{Shops: []trial.Result{tt.plain, tt.holdfast}}, tt.err
				})
				require.Equal(t, tt.want, status)
				if tt.err != nil {
					require.Equal(t, "ecommerce: no port is free\n", stderr.String())
					require.Empty(t, stdout.String())
					continue
				}
				require.Contains(t, stdout.String(), trial.Holdfast, "the result is shown, be it good or bad")
			}
		})
	}
}

// brokenPipe is a reader that went away.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestUnwritableResult(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-orders", "1", "-faults", "none"}, {"-orders", "1", "-faults", "none", "-json"}} {
		var stderr bytes.Buffer
		require.Equal(t, 1, ecommerce.Run(t.Context(), args, brokenPipe{}, &stderr))
		require.Contains(t, stderr.String(), io.ErrClosedPipe.Error())
	}
}
