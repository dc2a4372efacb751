package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The defaults of [KeyFileConfig].
const (
	DefaultKeyFileInterval = 5 * time.Second
	DefaultKeyFileMaxBytes = 4 << 10
)

// KeyFileConfig says which file has the keys.
type KeyFileConfig struct {
	// Path is that of the file. Its first line is the key to try first, its
	// second line, if there is one, the other. Symbolic links are followed, as
	// those of a mounted Kubernetes secret have to be.
	Path string
	// MinInterval is the time from one look at the file to the next.
	// 0 means [DefaultKeyFileInterval].
	MinInterval time.Duration
	// MaxBytes is the longest file that is read, at most 1 MiB.
	// 0 means [DefaultKeyFileMaxBytes].
	MaxBytes int
	// OnError, when not nil, is told why the file could not be taken over. The
	// keys that were there before stay in use. It is called on the goroutine of
	// a request, with no lock held.
	OnError func(error)
}

// KeyFile is a [KeySource] that follows a file. It has no goroutine: the first
// request after MinInterval looks at the file, and the others go on with what
// there is. New content counts when two looks in a row have seen it, so that a
// file that is being written is not taken for what it will be. It is safe for
// concurrent use.
type KeyFile struct {
	config KeyFileConfig
	start  time.Time
	keys   atomic.Pointer[Keys]
	next   atomic.Int64 // the time of the next look, in nanoseconds from start

	mu      sync.Mutex
	hash    [sha256.Size]byte // of the content that keys came from
	pending [sha256.Size]byte // of the last content seen
}

// NewKeyFile reads the file, which must be there and valid. Its error joins one
// error for each field that is wrong.
func NewKeyFile(c KeyFileConfig) (*KeyFile, error) {
	var errs []error
	if c.Path == "" {
		errs = append(errs, errors.New("auth: KeyFileConfig.Path is empty"))
	}
	if c.MinInterval < 0 {
		errs = append(errs, fmt.Errorf("auth: KeyFileConfig.MinInterval is %v: must not be negative", c.MinInterval))
	}
	if c.MaxBytes < 0 || c.MaxBytes > 1<<20 {
		errs = append(errs, fmt.Errorf("auth: KeyFileConfig.MaxBytes is %d: must be between 0 and 1048576", c.MaxBytes))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.MinInterval == 0 {
		c.MinInterval = DefaultKeyFileInterval
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultKeyFileMaxBytes
	}
	f := &KeyFile{config: c, start: time.Now()}
	keys, hash, err := f.read()
	if err != nil {
		return nil, err
	}
	f.keys.Store(&keys)
	f.hash, f.pending = hash, hash
	f.next.Store(int64(c.MinInterval))
	return f, nil
}

// Keys returns the keys of the file, as far as they are known. It never fails.
func (f *KeyFile) Keys(context.Context) (Keys, error) {
	now := int64(time.Since(f.start))
	if next := f.next.Load(); now >= next && f.next.CompareAndSwap(next, now+int64(f.config.MinInterval)) {
		if err := f.look(); err != nil && f.config.OnError != nil {
			f.config.OnError(err)
		}
	}
	return *f.keys.Load(), nil
}

// look takes over what the file has, if it had that the last time too.
func (f *KeyFile) look() error {
	keys, hash, err := f.read()
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.pending == hash
	f.pending = hash
	if err != nil || hash == f.hash || !seen {
		return err
	}
	f.hash = hash
	f.keys.Store(&keys)
	return nil
}

// read returns the keys in the file and the hash of its content.
func (f *KeyFile) read() (keys Keys, hash [sha256.Size]byte, err error) {
	file, err := os.Open(f.config.Path)
	if err != nil {
		return Keys{}, hash, fmt.Errorf("auth: key file: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(file, int64(f.config.MaxBytes)+1))
	if err != nil {
		return Keys{}, hash, fmt.Errorf("auth: key file: %w", err)
	}
	if len(data) > f.config.MaxBytes {
		return Keys{}, hash, fmt.Errorf("auth: key file %s is longer than %d bytes", f.config.Path, f.config.MaxBytes)
	}
	first, rest, _ := strings.Cut(strings.TrimPrefix(string(data), "\ufeff"), "\n")
	second, rest, _ := strings.Cut(rest, "\n")
	if strings.TrimSpace(rest) != "" {
		return Keys{}, hash, fmt.Errorf("auth: key file %s has more than two lines", f.config.Path)
	}
	keys = Keys{First: NewSecret(strings.TrimSpace(first)), Second: NewSecret(strings.TrimSpace(second))}
	if err := keys.check(visible); err != nil {
		return Keys{}, hash, fmt.Errorf("auth: key file %s: %w", f.config.Path, err)
	}
	return keys, sha256.Sum256(data), nil
}
