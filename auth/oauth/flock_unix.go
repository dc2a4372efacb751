//go:build unix && !solaris && !illumos && !aix

package oauth

import (
	"errors"
	"os"
	"syscall"
)

const (
	canLock  = true
	noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK // no link, and no waiting for a pipe
)

// tryLock takes the lock of a file, and reports whether nobody else has it. The
// lock ends when the file is closed, also by the end of the process.
func tryLock(f *os.File) (bool, error) {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		default:
			return err == nil, err
		}
	}
}
