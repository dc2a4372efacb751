package main_test

import (
	"bytes"
	"regexp"
	"strconv"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	sharedlimit "github.com/holdfast-go/holdfast/examples/sharedlimit"
)

// run runs the program and returns what a shell would see.
func run(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = sharedlimit.Run(t.Context(), args, &out, &errs)
	return status, out.String(), errs.String()
}

func TestClients(t *testing.T) {
	t.Parallel()
	for _, client := range []string{"go-redis", "rueidis"} {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			server := miniredis.RunT(t)
			status, stdout, stderr := run(t, "-redis", server.Addr(), "-client", client,
				"-calls", "60", "-rate", "1000", "-burst", "40", "-replicas", "3")
			require.Equal(t, 0, status, stderr)
			require.Contains(t, stdout, "60 calls in")
			rows := regexp.MustCompile(`(?m)^ +\d+ +(\d+) +\d+ +\d+$`).FindAllStringSubmatch(stdout, -1)
			require.NotEmpty(t, rows, stdout)
			sum := 0
			for _, row := range rows {
				n, err := strconv.Atoi(row[1])
				require.NoError(t, err)
				sum += n
			}
			require.Equal(t, 60, sum, stdout)
		})
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"help":           {[]string{"-h"}, 0, "-redis"},
		"unknown flag":   {[]string{"-fast"}, 2, "-fast"},
		"argument":       {[]string{"now"}, 2, `unexpected argument "now"`},
		"no calls":       {[]string{"-calls", "0"}, 2, "must be positive"},
		"too many":       {[]string{"-workers", "1000"}, 2, "at most 100"},
		"unknown client": {[]string{"-client", "telnet"}, 1, `-client is "telnet"`},
		"bad rate":       {[]string{"-rate", "-1"}, 1, "Rate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := run(t, tt.args...)
			require.Equal(t, tt.status, status)
			require.Contains(t, stderr, tt.want)
			require.Empty(t, stdout)
		})
	}
}
