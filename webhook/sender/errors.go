package sender

import (
	"errors"
	"net/netip"
)

// ErrBlocked is what errors.Is finds in a [*BlockedError].
var ErrBlocked = errors.New("sender: the address is blocked")

// BlockedError is returned for a connection that a [Guard] has not let be made.
type BlockedError struct {
	// To is the address and port that it would have gone to, zero if they are
	// not known. It says what one's own DNS answers, so it is not in the text of
	// the error, which may come to be seen by the one who chose the URL.
	To netip.AddrPort
	// Reason is why, such as "loopback (RFC 1122)".
	Reason string
}

// Error gives the reason and not the address.
func (e *BlockedError) Error() string { return "sender: the address is blocked: " + e.Reason }

// Is makes errors.Is(err, ErrBlocked) true.
func (e *BlockedError) Is(target error) bool { return target == ErrBlocked }

// Retryable is false: the same would come of it.
func (e *BlockedError) Retryable() bool { return false }

// NotSent is true: no connection was made.
func (e *BlockedError) NotSent() bool { return true }

// URLError is returned for a URL that nothing can be delivered to.
type URLError struct {
	// Reason is what is wrong with it. It quotes nothing of the URL.
	Reason string
}

// Error gives the reason.
func (e *URLError) Error() string { return "sender: the URL " + e.Reason }

// Retryable is false: the same would come of it.
func (e *URLError) Retryable() bool { return false }

// NotSent is true.
func (e *URLError) NotSent() bool { return true }
