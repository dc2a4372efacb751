//go:build unix

package oauth_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
	"github.com/holdfast-go/holdfast/auth/oauth/storetest"
)

var sealKey = auth.NewSecret(strings.Repeat("7", 32))

func newFileStore(t testing.TB, c oauth.FileStoreConfig) *oauth.FileStore {
	t.Helper()
	s, err := oauth.NewFileStore(c)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	require.NoError(t, err)
	return s
}

// private returns a directory of mode 0700.
func private(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "tokens")
}

// theFile returns the only record in dir.
func theFile(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var found []string
	for _, e := range entries {
		if !strings.Contains(e.Name(), ".") {
			found = append(found, filepath.Join(dir, e.Name()))
		}
	}
	require.Len(t, found, 1)
	return found[0]
}

func TestFilesThatOthersCanReadAreRefused(t *testing.T) {
	t.Parallel()
	dir := private(t)
	store := newFileStore(t, oauth.FileStoreConfig{Dir: dir})
	version, err := store.Save(t.Context(), family, oauth.Record{Token: old("r")})
	require.NoError(t, err)
	path := theFile(t, dir)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode(), e.Name())
	}
	for _, mode := range []os.FileMode{0o644, 0o640, 0o606, 0o620} {
		require.NoError(t, os.Chmod(path, mode))
		_, err := store.Load(t.Context(), family)
		require.ErrorContains(t, err, "0600")
		_, err = store.Save(t.Context(), family, oauth.Record{Token: old("s"), Version: version})
		require.ErrorContains(t, err, "0600")
	}
	require.NoError(t, os.Rename(path, path+".away"))
	require.NoError(t, os.Chmod(path+".away", 0o600))
	require.NoError(t, os.Symlink(path+".away", path))
	_, err = store.Load(t.Context(), family)
	require.Error(t, err, "a link may lead anywhere")
	require.NoError(t, os.Remove(path))
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err = store.Load(t.Context(), family)
	require.Error(t, err, "and nobody may write to a pipe")
	require.NoError(t, os.Chmod(dir, 0o755))
	_, err = oauth.NewFileStore(oauth.FileStoreConfig{Dir: dir})
	require.ErrorContains(t, err, "0700")
	_, err = oauth.NewFileStore(oauth.FileStoreConfig{SealKey: auth.NewSecret("short")})
	require.ErrorContains(t, err, "Dir is empty")
	require.ErrorContains(t, err, "SealKey has 5 bytes")
}

func TestDamagedFilesAreRefused(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]auth.Secret{"clear": {}, "sealed": sealKey} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := private(t)
			store := newFileStore(t, oauth.FileStoreConfig{Dir: dir, SealKey: key})
			_, err := store.Save(t.Context(), family, oauth.Record{Token: old("the-refresh-token")})
			require.NoError(t, err)
			path := theFile(t, dir)
			good, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, key.IsZero(), bytes.Contains(good, []byte("the-refresh-token")))
			for name, content := range map[string][]byte{
				"empty": nil, "torn": good[:len(good)/2], "zeros": make([]byte, len(good)), "more": append(bytes.Clone(good), 'x'),
				"huge": bytes.Repeat([]byte{' '}, 2<<20), "a token that cannot be sent": []byte(`{"access_token":"a\nb"}`),
				"numbers": []byte(`{"access_token":7}`),
			} {
				require.NoError(t, os.WriteFile(path, content, 0o600))
				_, err := store.Load(t.Context(), family)
				require.Error(t, err, name)
				require.NotErrorIs(t, err, oauth.ErrNotFound, name)
				require.NotContains(t, err.Error(), "the-refresh-token")
			}
			require.NoError(t, os.WriteFile(path, good, 0o600))
			_, err = store.Load(t.Context(), family)
			require.NoError(t, err)
		})
	}
}

func TestSealedFileIsForItsKeys(t *testing.T) {
	t.Parallel()
	dir := private(t)
	store := newFileStore(t, oauth.FileStoreConfig{Dir: dir, SealKey: sealKey})
	_, err := store.Save(t.Context(), "alice", oauth.Record{Token: old("alice's")})
	require.NoError(t, err)
	alice := theFile(t, dir)
	data, err := os.ReadFile(alice)
	require.NoError(t, err)
	require.NoError(t, os.Remove(alice))
	_, err = store.Save(t.Context(), "bob", oauth.Record{Token: old("bob's")})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(theFile(t, dir), data, 0o600))
	_, err = store.Load(t.Context(), "bob")
	require.ErrorContains(t, err, "has been changed", "in the place of another")
	require.NoError(t, os.WriteFile(alice, data, 0o600))
	_, err = store.Load(t.Context(), "alice")
	require.NoError(t, err)
	for _, other := range []auth.Secret{{}, auth.NewSecret(strings.Repeat("8", 32))} {
		_, err = newFileStore(t, oauth.FileStoreConfig{Dir: dir, SealKey: other}).Load(t.Context(), "alice")
		require.Error(t, err)
	}
}

func TestCrashLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := private(t)
	store := newFileStore(t, oauth.FileStoreConfig{Dir: dir})
	version, err := store.Save(t.Context(), family, oauth.Record{Token: old("one")})
	require.NoError(t, err)
	// As a process leaves it that was killed while it wrote.
	require.NoError(t, os.WriteFile(theFile(t, dir)+".new", []byte(`{"access_token":"torn, and longer than what is to come`), 0o600))
	require.Equal(t, "one", stored(t, store).RefreshToken.Reveal())
	_, err = store.Save(t.Context(), family, oauth.Record{Token: old("two"), Version: version})
	require.NoError(t, err)
	require.Equal(t, "two", stored(t, store).RefreshToken.Reveal())
	left, err := filepath.Glob(filepath.Join(dir, "*.new"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestReplicasWithFiles uses real locks, so it has no bubble.
func TestReplicasWithFiles(t *testing.T) {
	t.Parallel()
	server := authtest.NewServer(authtest.ServerConfig{})
	defer server.Close()
	dir := private(t)
	open := func() oauth.Store { return newFileStore(t, oauth.FileStoreConfig{Dir: dir}) }
	_, err := open().Save(t.Context(), family, oauth.Record{Token: old(server.Login())})
	require.NoError(t, err)
	var replicas []*oauth.Refresher
	for range 6 {
		r := newRefresher(t, server, oauth.RefreshConfig{Store: open()})
		t.Cleanup(func() { r.Close() })
		replicas = append(replicas, r)
	}
	for round := 1; round <= 4; round++ {
		var wg sync.WaitGroup
		for _, r := range replicas {
			wg.Go(func() {
				_, err := r.Token(t.Context())
				require.NoError(t, err)
			})
		}
		wg.Wait()
		require.Len(t, server.Requests(), round)
	}
}

func TestFileStores(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]auth.Secret{"files": {}, "sealed files": sealKey} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) func() oauth.Store {
				t.Helper()
				dir := private(t)
				return func() oauth.Store { return newFileStore(t, oauth.FileStoreConfig{Dir: dir, SealKey: key}) }
			})
		})
	}
}
