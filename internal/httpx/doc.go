// Package httpx holds what every middleware needs to keep the RoundTripper
// contract: who closes which body, how a body is sent again, and how an answer
// that nobody wants is thrown away without losing its connection.
//
// The rule behind all of it: a middleware owns the request's body until it
// hands the request on, and owns the response until it returns it.
package httpx
