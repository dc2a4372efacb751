package oauth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-go/holdfast/auth"
)

// maxRecord is the longest file of a record.
const maxRecord = 1 << 20

// FileStoreConfig says where a [FileStore] keeps its records. Dir is needed.
type FileStoreConfig struct {
	// Dir is the directory. It is made if it does not exist, and must be
	// accessible to its owner alone. It must be on a local file system: locks
	// and renames on others do not keep what they promise.
	Dir string
	// SealKey, when given, encrypts the records with AES-256-GCM. It has 32
	// random bytes and belongs somewhere else than the records, such as the
	// system's keyring.
	SealKey auth.Secret
}

// FileStore is a [Store] and [Locker] in a directory, one file for each key, that
// the processes of one user can share. Records survive a crash at any moment:
// each is written to a new file, which takes the place of the old one when it is
// on the disk. A file that others than its owner may read or write is refused,
// and so is one that has been damaged or, with a SealKey, changed or put in the
// place of another.
//
// It works on Unix; elsewhere [NewFileStore] returns errors.ErrUnsupported. It is
// safe for concurrent use.
type FileStore struct {
	dir  string
	seal *sealer // nil for none
}

// NewFileStore checks c, makes the directory if need be, and makes a FileStore.
// Its error joins one error for each field that is wrong.
func NewFileStore(c FileStoreConfig) (*FileStore, error) {
	if !canLock {
		return nil, fmt.Errorf("oauth: file store: %w", errors.ErrUnsupported)
	}
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("oauth: FileStoreConfig.Dir is empty"))
	}
	seal, err := newSealer(c.SealKey)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("oauth: file store: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("oauth: file store: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("oauth: file store: %w", err)
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("oauth: file store: %s must be a directory of mode 0700, is %v", dir, info.Mode())
	}
	return &FileStore{dir: dir, seal: seal}, nil
}

// path returns the file of a key. Its name is a hash, so that the key may have
// any characters and length, and does not show.
func (s *FileStore) path(key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(s.dir, hex.EncodeToString(sum[:16]))
}

// Load returns the record of the key, or ErrNotFound.
func (s *FileStore) Load(ctx context.Context, key string) (Record, error) {
	if ctx.Err() != nil {
		return Record{}, context.Cause(ctx)
	}
	data, err := s.read(key)
	if err != nil {
		return Record{}, err
	}
	plaintext := data
	if s.seal != nil {
		if plaintext, err = s.seal.open(key, data); err != nil {
			return Record{}, fmt.Errorf("oauth: file store: %s: %w", s.path(key), err)
		}
	}
	t, err := DecodeToken(plaintext)
	if err != nil {
		return Record{}, fmt.Errorf("oauth: file store: %s: %w", s.path(key), err)
	}
	return Record{Token: t, Version: versionOf(data)}, nil
}

// read returns what is in the file of the key.
func (s *FileStore) read(key string) ([]byte, error) {
	f, err := openFile(s.path(key), os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("oauth: file store: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	data, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err != nil {
		return nil, fmt.Errorf("oauth: file store: %w", err)
	}
	if len(data) > maxRecord {
		return nil, fmt.Errorf("oauth: file store: %s is longer than %d bytes", s.path(key), maxRecord)
	}
	return data, nil
}

// openFile opens a file, or with os.O_CREATE makes it, that nobody but its owner
// can read or write.
func openFile(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, flag|noFollow, 0o600) // #nosec G304 -- the name is a hash
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0) {
		err = fmt.Errorf("%s must be a file of mode 0600, is %v", path, info.Mode())
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// versionOf tells contents apart. Of the sealed ones no two are the same; those
// in clear have an access token each.
func versionOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Save replaces the record of the key, or returns ErrConflict.
func (s *FileStore) Save(ctx context.Context, key string, r Record) (string, error) {
	data, err := EncodeToken(r.Token)
	if err != nil {
		return "", err
	}
	if s.seal != nil {
		data = s.seal.close(key, data)
	}
	if len(data) > maxRecord {
		return "", fmt.Errorf("oauth: file store: the record is longer than %d bytes", maxRecord)
	}
	// The comparison has to hold until the rename. This lock is not the one of
	// Lock, which the caller may have.
	unlock, err := s.lock(ctx, s.path(key)+".save")
	if err != nil {
		return "", err
	}
	defer unlock()
	old, err := s.read(key)
	switch {
	case errors.Is(err, ErrNotFound):
		if r.Version != "" {
			return "", ErrConflict
		}
	case err != nil:
		return "", err
	case versionOf(old) != r.Version:
		return "", ErrConflict
	case bytes.Equal(old, data):
		return r.Version, nil
	}
	if err := replace(s.path(key), data); err != nil {
		return "", fmt.Errorf("oauth: file store: %w", err)
	}
	return versionOf(data), nil
}

// replace puts a file with that content in the place of the one at path. Both
// the content and the name are on the disk when it returns nil. The caller has
// the lock, so a new file that is there already was left by a crash.
func replace(path string, data []byte) (err error) {
	f, err := openFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // once more, if need be
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a rename in a directory last.
func syncDir(dir string) error {
	d, err := os.Open(dir) // #nosec G304 -- the program names it
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // it was only synced
	return d.Sync()
}

// Lock waits for the lock of the key. It ends with the process that holds it, so
// the time does not matter.
func (s *FileStore) Lock(ctx context.Context, key string, _ time.Duration) (func(), error) {
	return s.lock(ctx, s.path(key)+".lock")
}

// lockPause is the time between two attempts to get a lock, because flock(2)
// itself cannot be interrupted.
const lockPause = 10 * time.Millisecond

// lock takes the lock of a file, which is made if it does not exist, and stays.
func (s *FileStore) lock(ctx context.Context, path string) (func(), error) {
	f, err := openFile(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("oauth: file store: %w", err)
	}
	for {
		held, err := tryLock(f)
		if err == nil && held {
			return func() { _ = f.Close() }, nil // which gives up the lock
		}
		if err == nil {
			err = sleep(ctx, lockPause)
		}
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("oauth: file store: lock: %w", err)
		}
	}
}

var (
	_ Store  = (*FileStore)(nil)
	_ Locker = (*FileStore)(nil)
	_ Store  = (*MemoryStore)(nil)
	_ Locker = (*MemoryStore)(nil)

	_ auth.Source = (*Refresher)(nil)
)
