package auth_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
)

func TestKeyFile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "key")
		write := func(s string) { require.NoError(t, os.WriteFile(path, []byte(s), 0o600)) }
		write("\ufeffone\r\n")
		var errs []error
		f, err := auth.NewKeyFile(auth.KeyFileConfig{Path: path, MaxBytes: 20, OnError: func(err error) { errs = append(errs, err) }})
		require.NoError(t, err)
		get := func() string {
			keys, err := f.Keys(t.Context())
			require.NoError(t, err)
			return keys.First.Reveal() + "," + keys.Second.Reveal()
		}
		look := func() string { time.Sleep(5 * time.Second); return get() }
		require.Equal(t, "one,", get())

		write("two\none\n")
		require.Equal(t, "one,", get(), "it is not time")
		require.Equal(t, "one,", look(), "seen once")
		require.Equal(t, "one,", get())
		require.Equal(t, "two,one", look(), "seen twice")

		write("thr")
		require.Equal(t, "two,one", look(), "half-written")
		write("three\n")
		require.Equal(t, "two,one", look())
		require.Equal(t, "three,", look())
		require.Empty(t, errs)

		for _, bad := range []string{"", "  \n", "a b", "a\x00", "a\nb\nc\n", strings.Repeat("x", 21)} {
			write(bad)
			require.Equal(t, "three,", look())
			require.Equal(t, "three,", look())
			require.Len(t, errs, 2)
			errs = nil
		}
		require.NoError(t, os.Remove(path))
		require.Equal(t, "three,", look())
		require.ErrorIs(t, errs[0], os.ErrNotExist)

		// As Kubernetes swaps a mounted secret.
		target := filepath.Join(t.TempDir(), "data")
		require.NoError(t, os.WriteFile(target, []byte("four"), 0o600))
		require.NoError(t, os.Symlink(target, path))
		require.Equal(t, "three,", look())
		require.Equal(t, "four,", look())
	})
}

func TestKeyFileIsReadOncePerInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "key")
		require.NoError(t, os.WriteFile(path, []byte("one"), 0o600))
		var mu sync.Mutex
		reads := 0
		f, err := auth.NewKeyFile(auth.KeyFileConfig{Path: path, OnError: func(error) { mu.Lock(); defer mu.Unlock(); reads++ }})
		require.NoError(t, err)
		require.NoError(t, os.Remove(path))
		time.Sleep(6 * time.Second)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { _, _ = f.Keys(t.Context()) })
		}
		wg.Wait()
		require.Equal(t, 1, reads)
	})
}

func TestNewKeyFileReportsAllMistakes(t *testing.T) {
	t.Parallel()
	_, err := auth.NewKeyFile(auth.KeyFileConfig{MinInterval: -1, MaxBytes: 1 << 30})
	require.EqualError(t, err, `auth: KeyFileConfig.Path is empty
auth: KeyFileConfig.MinInterval is -1ns: must not be negative
auth: KeyFileConfig.MaxBytes is 1073741824: must be between 0 and 1048576`)
	_, err = auth.NewKeyFile(auth.KeyFileConfig{Path: filepath.Join(t.TempDir(), "none")})
	require.ErrorIs(t, err, os.ErrNotExist)
}
