package main_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	payments "github.com/holdfast-go/holdfast/examples/payments"
	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

const secret = "whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I="

func getenv(name string) string {
	return map[string]string{"STRIPE_WEBHOOK_SECRET": secret, "BANK_WEBHOOK_SECRET": secret}[name]
}

func TestDemo(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	args := []string{"-demo", "-payments", "120", "-rate", "0", "-seed", "3"}
	require.Equal(t, 0, payments.Run(t.Context(), args, getenv, &stdout, &stderr), stderr.String())
	require.Empty(t, stderr.String())
	require.Contains(t, stdout.String(), "the day    120 payments in ")
	require.Regexp(t, `set aside  [234] events in GBP`, stdout.String())
	require.Regexp(t, `opened, [234] events are replayed`, stdout.String())
	require.True(t, strings.HasSuffix(stdout.String(), "\nexact\n"), stdout.String())
}

func TestBadUse(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	short := func(string) string { return "tiny" }
	tests := []struct {
		args   string
		getenv func(string) string
		want   string
		status int
	}{
		{"-nonsense", getenv, "flag provided but not defined: -nonsense", 2},
		{"more", getenv, `unexpected argument "more"`, 2},
		{"-rate -1", getenv, "-rate -1: want 0 or more", 2},
		{"-payments 0", getenv, "-payments 0: want 1 to 10000", 2},
		{"", none, "set STRIPE_WEBHOOK_SECRET or BANK_WEBHOOK_SECRET, or try -demo", 2},
		{"", short, "BANK_WEBHOOK_SECRET: webhook: ", 2},
		{"-db /nonexistent/payments.db", getenv, "ledger: ", 1},
		{"-accounts euro -db $DB", getenv, `account "euro"`, 1},
		{"-addr nowhere -db $DB", getenv, "listen tcp", 1},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			args := strings.Fields(strings.ReplaceAll(tt.args, "$DB", filepath.Join(t.TempDir(), "p.db")))
			require.Equal(t, tt.status, payments.Run(t.Context(), args, tt.getenv, &stdout, &stderr))
			require.Contains(t, stderr.String(), tt.want)
			require.NotContains(t, stderr.String(), "tiny")
		})
	}
	var stdout, stderr bytes.Buffer
	require.Equal(t, 0, payments.Run(t.Context(), []string{"-h"}, getenv, &stdout, &stderr))
}

// started is a program that runs.
type started struct {
	addr string
	stop func() (status int, log string)
}

var listening = regexp.MustCompile(`msg="taking webhooks" addr=(\S+)`)

func start(t *testing.T, path string) started {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	logs, writer := io.Pipe()
	status := make(chan int, 1)
	go func() {
		defer writer.Close()
		status <- payments.Run(ctx, []string{"-http", "-db", path, "-addr", "127.0.0.1:0"}, getenv, io.Discard, writer)
	}()
	lines := bufio.NewReader(logs)
	first, err := lines.ReadString('\n')
	require.NoError(t, err)
	found := listening.FindStringSubmatch(first)
	require.NotNil(t, found, first)
	rest := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(lines)
		rest <- string(text)
	}()
	return started{found[1], func() (int, string) {
		cancel()
		return <-status, <-rest
	}}
}

func (s started) send(t *testing.T, event string) int {
	t.Helper()
	signer, err := webhooktest.New(webhooktest.Config{Scheme: webhook.Stripe(), Secret: secret})
	require.NoError(t, err)
	req, err := signer.Request("http://"+s.addr+"/hooks/stripe", []byte(event), time.Now())
	require.NoError(t, err)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req.WithContext(t.Context()))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

func TestServe(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "payments.db")
	first := start(t, path)
	require.Equal(t, 204, first.send(t, `{"id":"evt_1","type":"charge.succeeded","data":{"object":{"id":"ch_1","amount":5,"currency":"gbp"}}}`))
	status, log := first.stop()
	require.Equal(t, 0, status, log)
	require.Contains(t, log, "msg=ended waiting=")
	require.NotContains(t, log, secret)

	second := start(t, path)
	status, log = second.stop()
	require.Equal(t, 0, status, log)
}
