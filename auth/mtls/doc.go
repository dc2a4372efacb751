// Package mtls is an http.RoundTripper that shows a client certificate, and
// takes a new one, and new roots, without a restart.
//
//	transport, err := mtls.New(mtls.Config{
//		CertFile:  "/var/run/tls/tls.crt",
//		KeyFile:   "/var/run/tls/tls.key",
//		RootsFile: "/var/run/tls/ca.crt",
//	})
//	…
//	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
//
// # Rotation
//
// It is not enough to read a new file: net/http keeps connections, and TLS keeps
// sessions, and both still show the old certificate. So each certificate gets an
// http.Transport of its own, with sessions of its own. After a rotation no
// request goes out on a connection of the old one. Those that are under way end
// there, and then its connections are closed.
//
// The files are looked at when a request comes, at most once in
// Config.CheckEvery, and compared by their content. No goroutine waits for them
// to change, and it does not matter how they do: written in place, renamed, or
// by the links that Kubernetes swaps. What cannot be used, such as a file that
// is half written, leaves the old certificate in its place and is told to
// Hooks.Failed.
//
// # Pins
//
// With Config.Pins the chain of the server must also have one of these public
// keys. They are checked for every connection, those that resume a session
// included.
//
// # When not to use it
//
// For a certificate that lives as long as the process, set tls.Config yourself.
// The certificate is shown to every server that asks for one, also to one that
// a redirect leads to.
package mtls
