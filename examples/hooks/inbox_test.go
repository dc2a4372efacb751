package main_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
	"github.com/holdfast-go/holdfast/webhook/inbox/sqlstore"
)

// testInbox is the inbox of a program that is running while hooks looks into it.
type testInbox struct {
	*inbox.Inbox
	store *sqlstore.SQLite
	path  string
}

func newInbox(t *testing.T) testInbox {
	t.Helper()
	path := filepath.Join(t.TempDir(), "inbox.db")
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	store, err := sqlstore.NewSQLite(t.Context(), db, sqlstore.Config{})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, store.Close(context.WithoutCancel(t.Context())))
		require.NoError(t, db.Close())
	})
	in, err := inbox.New(inbox.Config{Store: store})
	require.NoError(t, err)
	return testInbox{in, store, path}
}

// end claims all that is due and ends it: as Done if its ID begins with "good".
func (in testInbox) end(t *testing.T) {
	t.Helper()
	now := time.Now()
	claims, err := in.store.Claim(t.Context(), now, now.Add(time.Minute), 100)
	require.NoError(t, err)
	for _, c := range claims {
		o := inbox.Outcome{State: inbox.Dead, Reason: "no account\x1b[2J in GBP"}
		if strings.HasPrefix(c.ID, "good") {
			o = inbox.Outcome{State: inbox.Done}
		}
		require.NoError(t, in.store.Finish(t.Context(), now, c.Token, o))
	}
}

func (in testInbox) put(t *testing.T, source string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		_, err := in.Put(t.Context(), inbox.Event{
			Source: source, ID: id, IDSigned: true, Type: "charge.succeeded",
			Body:   []byte(`{"id":"` + id + "\x1b\"}\n"),
			Header: http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer hidden"}, "X-Gitlab-Token": {"hidden"}},
		})
		require.NoError(t, err)
	}
}

// states are the IDs and the states of all events.
func (in testInbox) states(t *testing.T) map[string]string {
	t.Helper()
	records, err := in.List(t.Context(), inbox.Filter{})
	require.NoError(t, err)
	all := map[string]string{}
	for _, r := range records {
		all[r.Source+"/"+r.ID] = r.State.String()
	}
	return all
}

func TestList(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	r := run(t, "", "list", "-db", in.path)
	require.Equal(t, result{0, "", "no events\n"}, r)
	in.put(t, "stripe", "good_1", "bad_1")
	in.end(t)
	in.put(t, "bank", "new_1")

	tests := []struct {
		args string
		want []string
	}{
		{"", []string{"@1 done stripe good_1", "@2 dead stripe bad_1", "@3 pending bank new_1"}},
		{"-state dead", []string{"@2 dead stripe bad_1"}},
		{"-source bank", []string{"@3 pending bank new_1"}},
		{"-after 1 -limit 1", []string{"@2 dead stripe bad_1"}},
		{"-state quarantined", nil},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			r := run(t, "", append([]string{"list", "-db", in.path}, strings.Fields(tt.args)...)...)
			require.Equal(t, 0, r.status, r.stderr)
			var got []string
			for line := range strings.Lines(r.stdout) {
				if f := strings.Fields(line); f[0] != "event" {
					got = append(got, strings.Join(f[:4], " "))
				}
			}
			require.Equal(t, tt.want, got)
			require.NotContains(t, r.stdout, "\x1b")
		})
	}
	require.Contains(t, run(t, "", "list", "-limit", "2", "-db", in.path).stderr, "there may be more: -after 2\n")
}

func TestShow(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	in.put(t, "stripe", "bad_1")
	in.put(t, "bank", "same")
	in.put(t, "stripe", "same")
	in.end(t)
	for _, name := range []string{"@1", "bad_1"} {
		r := run(t, "", "show", "-db", in.path, name)
		require.Equal(t, 0, r.status, r.stderr)
		for _, want := range []string{
			"event      @1\n", "state      dead\n", "reason     no account\uFFFD[2J in GBP\n", "attempts   1, crashes 0, replays 0\n",
			"Content-Type: application/json\n", "Authorization: [redacted]\n", "X-Gitlab-Token: [redacted]\n", "{\"id\":\"bad_1\uFFFD\"}\n",
		} {
			require.Contains(t, r.stdout, want)
		}
		require.NotContains(t, r.stdout, "hidden")
	}
	r := run(t, "", "show", "-body", "-db", in.path, "@1")
	require.Equal(t, result{0, "{\"id\":\"bad_1\x1b\"}\n", ""}, r)

	r = run(t, "", "show", "-db", in.path, "same")
	require.Equal(t, 1, r.status)
	require.Contains(t, r.stderr, "2 events have this ID: name one by its number\n")
	for _, none := range []string{"@4", "nothing"} {
		r = run(t, "", "show", "-db", in.path, none)
		require.Equal(t, result{1, "", "hooks show: there is no event " + none + "\n"}, r)
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args    string
		status  int
		stderr  string
		replays []string
	}{
		{"bad_1", 0, "", []string{"stripe/bad_1"}},
		{"@2 bad_2", 0, "", []string{"stripe/bad_1", "stripe/bad_2"}},
		{"-dead", 0, "", []string{"bank/bad_3", "stripe/bad_1", "stripe/bad_2"}},
		{"-source bank", 0, "", []string{"bank/bad_3"}},
		{"-dead -source bank", 0, "", []string{"bank/bad_3"}},
		{"-source nobody", 1, "nothing to replay", nil},
		{"good_1", 1, "good_1 is done: -again has it handled all the same", nil},
		{"-again good_1", 0, "", []string{"stripe/good_1"}},
		{"new_1 bad_1", 1, "new_1 is pending: it will be handled anyway", nil},
		{"bad_1 nothing", 1, "there is no event nothing", nil},
		{"bad_1 bad_1", 0, "", []string{"stripe/bad_1"}},
		{"bad_1 @99", 1, "there is no event @99", nil},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			in := newInbox(t)
			in.put(t, "stripe", "good_1", "bad_1", "bad_2")
			in.put(t, "bank", "bad_3")
			in.end(t)
			in.put(t, "bank", "new_1")
			want := in.states(t)
			for _, name := range tt.replays {
				want[name] = "pending"
			}
			r := run(t, "", append([]string{"replay", "-db", in.path}, strings.Fields(tt.args)...)...)
			require.Equal(t, tt.status, r.status, r.stderr)
			require.Contains(t, r.stderr, tt.stderr)
			require.Equal(t, want, in.states(t))
		})
	}
}

func TestReplayOfTwoSources(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	in.put(t, "stripe", "same")
	in.put(t, "bank", "same")
	in.end(t)
	r := run(t, "", "replay", "-db", in.path, "same")
	require.Equal(t, 1, r.status)
	require.Contains(t, r.stderr, "2 events have the ID same: name one by its number")
	require.Equal(t, map[string]string{"stripe/same": "dead", "bank/same": "dead"}, in.states(t))
}

func TestReplayedIsHandled(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	in.put(t, "stripe", "bad_1")
	in.end(t)
	require.Equal(t, 0, run(t, "", "replay", "-dead", "-db", in.path).status)
	ctx, cancel := context.WithCancelCause(t.Context())
	worker, err := inbox.New(inbox.Config{Store: in.store, Handle: func(_ context.Context, d *inbox.Delivery) error {
		if d.ID != "bad_1" || d.Replays != 1 {
			t.Errorf("handled %s, %d replays", d.ID, d.Replays)
		}
		return nil
	}, Hooks: inbox.Hooks{Done: func(inbox.Attempt) { cancel(errors.New("done")) }}})
	require.NoError(t, err)
	require.NoError(t, worker.Run(ctx))
	require.Equal(t, map[string]string{"stripe/bad_1": "done"}, in.states(t))
}

func TestPurge(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	in.put(t, "stripe", "good_1", "bad_1")
	in.end(t)
	in.put(t, "bank", "new_1")
	r := run(t, "", "purge", "-older", "1h", "-db", in.path)
	require.Equal(t, result{0, "0 forgotten\n", ""}, r)
	r = run(t, "", "purge", "-older", "1ns", "-db", in.path)
	require.Equal(t, result{0, "1 forgotten\n", ""}, r)
	require.Equal(t, map[string]string{"stripe/bad_1": "dead", "bank/new_1": "pending"}, in.states(t))
	r = run(t, "", "purge", "-dead", "-older", "1ns", "-db", in.path)
	require.Equal(t, result{0, "1 forgotten\n", ""}, r)
	require.Equal(t, map[string]string{"bank/new_1": "pending"}, in.states(t))
}

func TestTheDatabaseOfAnotherProgramIsLeftAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	_, err = db.ExecContext(t.Context(), "CREATE TABLE mine (n INTEGER)")
	require.NoError(t, err)
	before, err := os.ReadFile(path)
	require.NoError(t, err)

	r := run(t, "", "purge", "-older", "1ns", "-db", path)
	require.Equal(t, 2, r.status)
	require.Contains(t, r.stderr, "has no table holdfast_inbox_schema, so there is no inbox in it: see -prefix")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestPathsAreNoAddresses(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	in.put(t, "bank", "new_1")
	path := filepath.Join(t.TempDir(), "a b?mode=memory#%20.db")
	db, err := sql.Open("sqlite", in.path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "VACUUM INTO ?", path)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	r := run(t, "", "list", "-db", path)
	require.Equal(t, 0, r.status, r.stderr)
	require.Contains(t, r.stdout, "new_1")
}
