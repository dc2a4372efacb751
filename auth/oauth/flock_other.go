//go:build !unix || solaris || illumos || aix

package oauth

import (
	"errors"
	"os"
)

const (
	canLock  = false
	noFollow = 0
)

// tryLock is not there on this system.
func tryLock(*os.File) (bool, error) { return false, errors.ErrUnsupported }
