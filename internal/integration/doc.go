// Package integration tests holdfast against programs that its authors did not
// write: nginx with a request limit, toxiproxy for connections that are reset,
// cut, slow or silent, and a Redis that several processes share. It has no code of
// its own.
//
// The script run, beside this file, installs what is missing and starts the
// tests. Everything listens on loopback, on ports that the system chooses.
package integration
