//go:build unix

package oauth_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/oauth"
)

// Whoever could once put links beside a record does not choose which file the
// next token goes to, nor which is emptied for it.
func TestLinksBesideARecordAreNotFollowed(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{".new", ".save", ".lock", ""} {
		dir := private(t)
		store := newFileStore(t, oauth.FileStoreConfig{Dir: dir})
		version, err := store.Save(t.Context(), family, oauth.Record{Token: old("r")})
		require.NoError(t, err)
		victim := filepath.Join(t.TempDir(), "victim")
		require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o600))
		path := theFile(t, dir) + suffix
		require.NoError(t, os.RemoveAll(path))
		require.NoError(t, os.Symlink(victim, path))
		unlock, lockErr := store.Lock(t.Context(), family, 0)
		if lockErr == nil {
			unlock()
		}
		_, err = store.Save(t.Context(), family, oauth.Record{Token: old("s"), Version: version})
		require.Equal(t, suffix == ".lock", lockErr != nil)
		require.Equal(t, suffix != ".lock", err != nil)
		content, err := os.ReadFile(victim)
		require.NoError(t, err)
		require.Equal(t, "precious", string(content))
	}
}
