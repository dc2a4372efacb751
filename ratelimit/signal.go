package ratelimit

import (
	"slices"
	"time"
)

// Horizon is the longest time that a [Signal] speaks of: a year. What a server
// asks for beyond it is cut to it.
const Horizon = 366 * 24 * time.Hour

// Unit is what a [Quota] counts.
type Unit uint8

const (
	// Requests counts requests. It is the zero value.
	Requests Unit = iota
	// Tokens counts those of a language model, in and out.
	Tokens
	// InputTokens counts those that are sent to a model.
	InputTokens
	// OutputTokens counts those that a model produces.
	OutputTokens
	// Points counts what requests cost by a measure of the server's own:
	// complexity, request units, query cost.
	Points
	// Concurrent counts requests that are under way at the same time.
	Concurrent
	// ContentBytes counts bytes of content.
	ContentBytes
	// OtherUnit counts something that the server named and we don't know.
	OtherUnit

	units
)

// String returns the unit in one or two words.
func (u Unit) String() string {
	switch u {
	case Requests:
		return "requests"
	case Tokens:
		return "tokens"
	case InputTokens:
		return "input tokens"
	case OutputTokens:
		return "output tokens"
	case Points:
		return "points"
	case Concurrent:
		return "concurrent requests"
	case ContentBytes:
		return "bytes"
	case OtherUnit:
		return "other"
	}
	return "unknown"
}

// Quota is one limit as a server has told it. A negative number or duration is
// unknown. The zero value is a quota of nothing: start from unknown ones.
type Quota struct {
	// Policy is the server's name for the limit, empty if it has none.
	Policy string
	// Resource is the part of the API that the limit is for, empty for all.
	Resource string
	// Partition is whose share it is (the partition key of the IETF draft, in
	// base64), empty for the caller's.
	Partition string
	Unit      Unit
	// Limit is the most that a window allows, or the size of the bucket.
	Limit float64
	// Remaining is what is left: the server's word, which may exceed Limit, or
	// else Limit less Used.
	Remaining float64
	// Used is what is spent.
	Used float64
	// Window is how long Limit is for.
	Window time.Duration
	// ResetIn is the time from the receipt of the answer on until the limit is
	// fresh again, at most [Horizon]. A moment in the past is 0.
	ResetIn time.Duration
	// FillRate is how many units flow back each second, where the server has
	// described a token bucket or a leaky one; at most 10^15.
	FillRate float64
}

// unknown is a quota that says nothing.
var unknown = Quota{Limit: -1, Remaining: -1, Used: -1, Window: -1, ResetIn: -1, FillRate: -1}

// Signal is what one answer says about its server's limits. The zero value can
// be passed to [Parser.Parse], which overwrites all of it and reuses its slices:
// with a used Signal, an ordinary answer costs no allocation. Its strings may
// share memory with the answer's header; clone those that are kept for long.
// A Signal must not be used by several goroutines at once.
type Signal struct {
	// Quotas are the limits, at most 64. No two of them agree in Policy,
	// Resource, Partition, Unit and Window: where several fields speak of one
	// limit, the most restrictive is here.
	Quotas []Quota
	// Throttled means that the request was refused because of a limit.
	Throttled bool
	// RetryAfter is how long the server wants to be left alone, at most
	// [Horizon]; negative if it has not said, or if the request was not
	// throttled. [Signal.Wait] falls back on the quotas.
	RetryAfter time.Duration
	// Violated names the policies that the server says were violated.
	Violated []string
	// Scope is what the throttling is for, such as "global" or "shared".
	Scope string
	// Reason is the server's word for why. It is one word, never free text.
	Reason string
	// Bucket is the server's name for the bucket that the request belongs to.
	Bucket string
	// Cost is what the request has cost in the server's own measure; negative
	// if unknown.
	Cost float64
	// Malformed names the fields that were ignored, in whole or in part,
	// because they are malformed or say too much.
	Malformed []string
}

// Wait returns how long to wait after a throttled request: RetryAfter if the
// server has said it, else until the last of the quotas that have nothing left
// is fresh or has a whole unit again, else until the last of the violated ones
// is fresh. It is at most [Horizon], and negative if the server has not said, or
// if the request was not throttled.
func (s *Signal) Wait() time.Duration {
	if !s.Throttled || s.RetryAfter >= 0 {
		return s.RetryAfter
	}
	exhausted, violated := time.Duration(-1), time.Duration(-1)
	for i := range s.Quotas {
		q := &s.Quotas[i]
		if q.exhausted() {
			exhausted = max(exhausted, q.freeIn())
		}
		if q.Policy != "" && slices.Contains(s.Violated, q.Policy) {
			violated = max(violated, q.ResetIn)
		}
	}
	if exhausted >= 0 {
		return exhausted
	}
	return violated
}

// exhausted reports whether q has no whole unit left.
func (q *Quota) exhausted() bool { return q.Remaining >= 0 && q.Remaining < 1 }

// freeIn returns the time until q, which is exhausted, has something again;
// negative if that is unknown.
func (q *Quota) freeIn() time.Duration {
	if q.ResetIn >= 0 || q.FillRate <= 0 {
		return q.ResetIn
	}
	return time.Duration(min((1-q.Remaining)/q.FillRate, Horizon.Seconds()) * float64(time.Second))
}

// reset makes s say nothing. To write field by field is faster than to copy a
// new one.
func (s *Signal) reset() {
	s.Quotas, s.Violated, s.Malformed = s.Quotas[:0], s.Violated[:0], s.Malformed[:0]
	s.Throttled, s.RetryAfter, s.Cost = false, -1, -1
	s.Scope, s.Reason, s.Bucket = "", "", ""
}

// maxQuotas bounds Signal.Quotas.
const maxQuotas = 64

// add takes q up, as a quota of its own or into the one that it is about.
// It reports whether there was room.
func (s *Signal) add(q *Quota) bool {
	if q.Used >= 0 && q.Limit >= 0 && q.Remaining < 0 {
		q.Remaining = max(0, q.Limit-q.Used)
	}
	if e := s.about(q); e != nil {
		e.merge(q)
		return true
	}
	if len(s.Quotas) == maxQuotas {
		return false
	}
	s.Quotas = append(s.Quotas, *q)
	return true
}

// about returns the quota that is about the same limit as q, or nil. A window
// that only one of them knows makes no difference if they agree about how much
// it allows, and no other quota has that very window.
func (s *Signal) about(q *Quota) *Quota {
	var like *Quota
	for i := range s.Quotas {
		e := &s.Quotas[i]
		switch {
		case e.Policy != q.Policy || e.Resource != q.Resource || e.Partition != q.Partition || e.Unit != q.Unit:
		case e.Window == q.Window:
			return e
		case (e.Window < 0 || q.Window < 0) && e.Limit >= 0 && e.Limit == q.Limit && like == nil:
			like = e
		}
	}
	return like
}

// merge makes q the more restrictive of itself and o.
func (q *Quota) merge(o *Quota) {
	q.Limit = least(q.Limit, o.Limit)
	q.Remaining = least(q.Remaining, o.Remaining)
	q.Used = max(q.Used, o.Used)
	q.Window = max(q.Window, o.Window)
	q.ResetIn = max(q.ResetIn, o.ResetIn)
	q.FillRate = least(q.FillRate, o.FillRate)
}

// least is the smaller of two numbers that are known.
func least(a, b float64) float64 {
	switch {
	case a < 0:
		return b
	case b < 0:
		return a
	}
	return min(a, b)
}

// malformed notes that the field name was ignored.
func (s *Signal) malformed(name string) {
	if !slices.Contains(s.Malformed, name) {
		s.Malformed = append(s.Malformed, name)
	}
}

// cut bounds a duration from the network.
func cut(d time.Duration) time.Duration { return min(max(d, 0), Horizon) }
