package integration_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
)

// The environment of a test that is a process of its own.
const (
	tokenDirEnv = "HOLDFAST_TOKEN_DIR"
	tokenURLEnv = "HOLDFAST_TOKEN_URL"
)

const tokenFamily = "alice"

// stuck is a store whose saving never ends. It says when it begins.
type stuck struct{ *oauth.FileStore }

func (stuck) Save(context.Context, string, oauth.Record) (string, error) {
	fmt.Println("about to save")
	select {}
}

func tokenStore(t *testing.T, dir string) *oauth.FileStore {
	t.Helper()
	store, err := oauth.NewFileStore(oauth.FileStoreConfig{Dir: dir})
	require.NoError(t, err)
	return store
}

func tokenRefresher(t *testing.T, tokenURL string, store oauth.Store) *oauth.Refresher {
	t.Helper()
	client, err := oauth.New(oauth.Config{Endpoints: oauth.Endpoints{Token: tokenURL}, ClientID: "c", Auth: oauth.Public()})
	require.NoError(t, err)
	r, err := client.Refresher(oauth.RefreshConfig{Store: store, Key: tokenFamily})
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

// TestTokenProcess is what the other tests start as a process of its own.
func TestTokenProcess(t *testing.T) {
	dir, mode, _ := strings.Cut(os.Getenv(tokenDirEnv), "|")
	if dir == "" {
		t.Skip("it is not started by another test")
	}
	store := tokenStore(t, dir)
	switch mode {
	case "stuck":
		_, err := tokenRefresher(t, os.Getenv(tokenURLEnv), stuck{store}).Token(t.Context())
		t.Fatal("it should have been killed: ", err)
	case "once":
		token, err := tokenRefresher(t, os.Getenv(tokenURLEnv), store).Token(t.Context())
		require.NoError(t, err)
		fmt.Println("token " + token.AccessToken.Reveal())
	case "writer":
		fmt.Println("writing")
		for i := 0; ; i++ {
			old, err := store.Load(t.Context(), tokenFamily)
			require.NoError(t, err)
			long := strings.Repeat("x", 20_000+i%7)
			_, err = store.Save(t.Context(), tokenFamily, oauth.Record{Version: old.Version, Token: &auth.Token{
				AccessToken: auth.NewSecret(fmt.Sprintf("access-%d-%s", i, long)), RefreshToken: auth.NewSecret(long),
			}})
			require.NoError(t, err)
		}
	}
}

// process starts TestTokenProcess and waits for a line that begins with ready.
func process(t *testing.T, dir, mode, tokenURL, ready string) (cmd *exec.Cmd, line string) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTokenProcess$", "-test.v")
	cmd.Env = append(os.Environ(), tokenDirEnv+"="+dir+"|"+mode, tokenURLEnv+"="+tokenURL)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), ready) {
			return cmd, lines.Text()
		}
	}
	_ = cmd.Wait()
	t.Error("the process has ended without a word")
	return cmd, ""
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
}

// startAuthtest starts a server with a login whose token has expired, in a store.
func startAuthtest(t *testing.T, c authtest.ServerConfig) (server *authtest.Server, tokenURL, dir string) {
	t.Helper()
	server = authtest.NewServer(c)
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	dir = filepath.Join(t.TempDir(), "tokens")
	_, err := tokenStore(t, dir).Save(t.Context(), tokenFamily, oauth.Record{Token: &auth.Token{
		AccessToken: auth.NewSecret("old"), RefreshToken: auth.NewSecret(server.Login()), Expiry: time.Now(),
	}})
	require.NoError(t, err)
	return server, web.URL + "/token", dir
}

// TestKilledBetweenAnswerAndSaving has what nobody can prevent: the server has
// rotated, and the new refresh token is gone. What is left must be usable, and
// must say what to do.
func TestKilledBetweenAnswerAndSaving(t *testing.T) {
	t.Parallel()
	for _, noRotation := range []bool{false, true} {
		server, tokenURL, dir := startAuthtest(t, authtest.ServerConfig{NoRotation: noRotation})
		cmd, _ := process(t, dir, "stuck", tokenURL, "about to save")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := tokenStore(t, dir).Lock(ctx, tokenFamily, time.Minute)
		require.ErrorIs(t, err, context.Canceled, "the process has the lock")
		kill(t, cmd)

		r := tokenRefresher(t, tokenURL, tokenStore(t, dir))
		_, err = r.Token(t.Context())
		require.Len(t, server.Requests(), 2)
		if noRotation {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, auth.ErrReauthRequired)
		require.NoError(t, r.Login(t.Context(), &auth.Token{
			AccessToken: auth.NewSecret("new"), RefreshToken: auth.NewSecret(server.Login()), Expiry: time.Now(),
		}))
		_, err = r.Token(t.Context())
		require.NoError(t, err)
	}
}

// TestKilledWhileWriting kills a process again and again that does nothing but
// save.
func TestKilledWhileWriting(t *testing.T) {
	t.Parallel()
	_, tokenURL, dir := startAuthtest(t, authtest.ServerConfig{})
	for range 10 {
		cmd, _ := process(t, dir, "writer", tokenURL, "writing")
		store := tokenStore(t, dir)
		before, err := store.Load(t.Context(), tokenFamily)
		require.NoError(t, err)
		for {
			now, err := store.Load(t.Context(), tokenFamily)
			require.NoError(t, err, "a reader never sees half a record")
			if now.Version != before.Version {
				break
			}
		}
		kill(t, cmd)
		record, err := store.Load(t.Context(), tokenFamily)
		require.NoError(t, err)
		_, err = store.Save(t.Context(), tokenFamily, record)
		require.NoError(t, err)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.LessOrEqual(t, len(entries), 4, "the record, its two locks, and what the last one was writing")
}

// TestProcessesRefreshOnce starts processes that all want the token.
func TestProcessesRefreshOnce(t *testing.T) {
	t.Parallel()
	server, tokenURL, dir := startAuthtest(t, authtest.ServerConfig{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	tokens := make(map[string]int)
	for range 5 {
		wg.Go(func() {
			cmd, line := process(t, dir, "once", tokenURL, "token ")
			err := cmd.Wait()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(errors.Join(errors.New("a process has failed"), err))
			}
			tokens[line]++
		})
	}
	wg.Wait()
	require.Len(t, server.Requests(), 1)
	require.Len(t, tokens, 1)
}
