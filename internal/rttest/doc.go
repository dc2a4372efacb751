// Package rttest checks that a middleware keeps the RoundTripper contract, and
// has the transports that such checks and other tests need.
//
// [Contract] is to a middleware what testing/slogtest is to a slog.Handler: each
// middleware of this module runs it, all of it. Its cases run in testing/synctest
// bubbles, so that waits cost nothing and their length is exact.
//
// [Script] is a transport that does what it is told, step by step. [Network] is
// net/http itself, client and server, on pipes in memory.
package rttest
