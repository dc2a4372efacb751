package main_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	hooks "github.com/holdfast-go/holdfast/examples/hooks"
)

// secretText is in the format of Standard Webhooks, and good for whoever takes a
// secret as it is.
const secretText = "whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I="

// result is what a shell would see.
type result struct {
	status         int
	stdout, stderr string
}

// run runs the program with text on its standard input, and checks that no secret
// comes out of it.
func run(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status := hooks.Run(t.Context(), args, hooks.System{
		Stdin:  strings.NewReader(stdin),
		Stdout: &stdout,
		Stderr: &stderr,
		Getenv: func(name string) string {
			return map[string]string{"SECRET": secretText, "SHORT": "tiny", "OTHER": "another secret, long enough"}[name]
		},
	})
	r := result{status, stdout.String(), stderr.String()}
	require.NotContains(t, r.stdout+r.stderr, secretText)
	require.NotContains(t, r.stdout+r.stderr, "c2VjcmV0")
	return r
}

// file writes a file of the test's own.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"help", "-h", "--help"} {
		r := run(t, "", arg)
		require.Equal(t, 0, r.status)
		for _, name := range []string{"sign", "verify", "schemes", "list", "show", "replay", "purge"} {
			require.Contains(t, r.stdout, "\n  "+name+" ")
			help := run(t, "", name, "-h")
			require.Equal(t, 0, help.status)
			require.Equal(t, 1, strings.Count(help.stderr, "usage: hooks "+name), help.stderr)
		}
	}
	require.Equal(t, 2, run(t, "").status)
}

func TestWrongUse(t *testing.T) {
	t.Parallel()
	inboxFile := newInbox(t).path
	empty := file(t, "empty", "\n")
	long := file(t, "long", strings.Repeat("x", 65<<10))
	tests := []struct {
		name, args, want string
		status           int
	}{
		{"no such command", "frobnicate", `there is no command "frobnicate"`, 2},
		{"unknown flag", "sign -frob", "flag provided but not defined: -frob", 2},
		{"flag behind an argument", "show @1 -db x", "-db stands behind an argument", 2},
		{"too many arguments", "verify a b", `unexpected argument "b"`, 2},
		{"missing argument", "show -db x", "an argument is missing", 2},
		{"unknown scheme", "verify -scheme acme -secret-env SECRET", `there is no "acme"`, 2},
		{"PayPal without its ID", "verify -scheme paypal -secret-env SECRET", "-webhook-id goes together", 2},
		{"no secret", "verify", "a secret is needed: -secret-env or -secret-file", 2},
		{"a secret in place of its name", "verify -secret-env " + secretText, "the flag takes its name, not the secret", 2},
		{"short secret", "verify -scheme github -secret-env SHORT", "webhook: ", 2},
		{"no such secret file", "verify -secret-file /nonexistent/secret", "-secret-file: open", 2},
		{"empty secret file", "verify -secret-file " + empty, "is empty", 2},
		{"long secret file", "verify -secret-file " + long, "is longer than", 2},
		{"URL missing", "verify -scheme twilio -secret-env SECRET", "Config.URL", 2},
		{"no such request", "verify -secret-env SECRET /nonexistent/request", "no such file", 2},
		{"no request", "verify -secret-env SECRET", "this is no HTTP request", 2},
		{"no time", "verify -secret-env SECRET -at yesterday", "want a time such as", 2},
		{"two secrets to sign with", "sign -secret-env SECRET -secret-env OTHER", "signed with one secret", 2},
		{"no address", "sign -secret-env SECRET -url example.com", "-url: want an address", 2},
		{"no form", "sign -secret-env SECRET -print yaml", `-print "yaml": want curl, headers or request`, 2},
		{"a secret for a key", "sign -scheme wise -secret-env SECRET", "signs with a private key", 2},
		{"short secret to sign with", "sign -scheme github -secret-env SHORT", "webhook: ", 2},
		{"a secret that would be printed", "sign -scheme gitlab-token -secret-env SECRET", "can be sent, not printed", 2},
		{"a secret in the open", "sign -scheme gitlab-token -secret-env SECRET -send -url http://example.com/", "by https only", 2},
		{"no database", "list", "-db is missing", 2},
		{"no such database", "list -db /nonexistent/inbox.db", "-db: stat", 2},
		{"a directory", "list -db /", "is no file", 2},
		{"another file", "list -db " + long, "cannot be read", 3},
		{"no such tables", "list -prefix other -db " + inboxFile, "has no table other_schema", 2},
		{"bad prefix", "list -prefix no;table -db " + inboxFile, "has no table no;table_schema", 2},
		{"no state", "list -state gone -db x", "want one of pending, leased, waiting", 2},
		{"no limit", "list -limit 0 -db x", "-limit must be at least 1", 2},
		{"no number", "show -db " + inboxFile + " @x", `"@x" is no number of an event`, 2},
		{"nothing named", "replay -db " + inboxFile, "name the events, or give -dead or -source", 2},
		{"named and all", "replay -dead -db " + inboxFile + " @1", "name the events, or give -dead or -source", 2},
		{"again for all", "replay -dead -again -db " + inboxFile, "-again is for events that are named", 2},
		{"no age", "purge -db " + inboxFile, "-older is missing", 2},
		{"no positive age", "purge -older -1h -db " + inboxFile, "-older is missing", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := run(t, "", strings.Fields(tt.args)...)
			require.Equal(t, tt.status, r.status, r.stderr)
			require.Empty(t, r.stdout)
			require.Contains(t, r.stderr, tt.want)
			require.Equal(t, tt.name == "no such command", strings.Contains(r.stderr, "usage:"))
		})
	}
}

func TestAnIDIsNoHeader(t *testing.T) {
	t.Parallel()
	r := run(t, "{}", "sign", "-secret-env", "SECRET", "-id", "a\r\nX-Forged: 1")
	require.Equal(t, 2, r.status)
	require.Contains(t, r.stderr, "-id: an ID has no control characters")
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupted"))
	var stdout, stderr bytes.Buffer
	sys := hooks.System{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Getenv: os.Getenv}
	require.Equal(t, 3, hooks.Run(ctx, []string{"list", "-db", newInbox(t).path}, sys))
	require.Empty(t, stdout.String())
}
