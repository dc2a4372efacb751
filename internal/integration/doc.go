// Package integration tests holdfast against programs that its authors did not
// write: nginx with a request limit, toxiproxy for connections that are reset,
// cut, slow or silent, a Redis that several processes share, SQLite and PostgreSQL
// for webhooks that must not be lost, Project Wycheproof's signatures, and two
// OAuth 2.0 authorization servers, one made with ory/fosite and the example
// provider of zitadel/oidc. It has no code of its own.
//
// The script run, beside this file, installs what is missing and starts the
// tests. Everything listens on loopback, on ports that the system chooses.
package integration
