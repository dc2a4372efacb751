package ratelimit

import (
	"container/list"
	"time"
)

// slots bounds the calls of a bucket that are under way. Its lock is that of
// the bucket.
type slots struct {
	limit    int // at present
	lease    time.Duration
	held     list.List // of *Permit, the oldest first; nothing else expires first
	adaptive *aimd     // nil when the limit is fixed
}

// free reports whether a call may begin. It first takes back the slots whose
// lease is over.
func (s *slots) free(now time.Duration) bool {
	for s.held.Len() >= s.limit && s.expired(now) {
		s.held.Front().Value.(*Permit).slot = nil
		s.held.Remove(s.held.Front())
	}
	return s.held.Len() < s.limit
}

// expired reports whether the oldest lease is over.
func (s *slots) expired(now time.Duration) bool {
	return s.held.Len() > 0 && s.nextLeaseEnd() <= now
}

// nextLeaseEnd is when the oldest lease ends, at the latest. There must be one.
func (s *slots) nextLeaseEnd() time.Duration {
	since := s.held.Front().Value.(*Permit).since
	return since + min(s.lease, forever-since)
}

func (s *slots) add(p *Permit) { p.slot = s.held.PushBack(p) }

// remove takes the slot of p back, unless its lease has ended before.
func (s *slots) remove(p *Permit) {
	if p.slot != nil {
		s.held.Remove(p.slot)
		p.slot = nil
	}
}

// inUse reports whether a lease of any slot runs: forgetting the bucket would
// give it away twice.
func (s *slots) inUse(now time.Duration) bool {
	last := s.held.Back()
	return last != nil && now-last.Value.(*Permit).since < s.lease
}
