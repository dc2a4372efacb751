package httpx

import (
	"context"
	"net/http/httptrace"
)

// OfRequest is embedded in the type of a context key whose value is about one
// request, and not about what is done to make that request possible.
type OfRequest struct{}

func (OfRequest) ofRequest() {}

// Aside returns a context for what is done on behalf of more requests than the
// one with ctx, such as fetching a token for all of them. It ends with ctx and has
// its values, but for those of keys with [OfRequest], and no httptrace sees it:
// the trace is of one request, may be gone before this is done, and is told of
// each field that is sent.
func Aside(ctx context.Context) context.Context {
	if httptrace.ContextClientTrace(ctx) == nil {
		return aside{ctx}
	}
	// What a trace has package net do is behind a key that only those packages
	// know. It is replaced by that of another trace, if that has some.
	return httptrace.WithClientTrace(aside{ctx}, &httptrace.ClientTrace{DNSStart: func(httptrace.DNSStartInfo) {}})
}

// aside hides values.
type aside struct{ context.Context }

// Value returns what may be known.
func (c aside) Value(key any) any {
	if _, ok := key.(interface{ ofRequest() }); ok {
		return nil
	}
	v := c.Context.Value(key)
	if _, ok := v.(*httptrace.ClientTrace); ok {
		return nil
	}
	return v
}
