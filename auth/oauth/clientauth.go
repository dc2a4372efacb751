package oauth

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"

	"github.com/holdfast-go/holdfast/auth"
)

// ClientAuth proves to an authorization server which client it is (RFC 6749,
// section 2.3). It is asked for each attempt, so that an assertion is never sent
// twice. It must be safe for concurrent use.
type ClientAuth interface {
	// Authenticate adds to the form and the header of r what proves it. What is
	// in them already is not to be changed. When it returns an error nothing is
	// sent.
	Authenticate(ctx context.Context, r *ClientRequest) error
}

// ClientRequest is a request that a [ClientAuth] completes.
type ClientRequest struct {
	AssertionRequest
	// Form is the body to be.
	Form url.Values
	// Header is that of the request.
	Header http.Header
}

// clientAuthFunc is a func that is a ClientAuth.
type clientAuthFunc func(context.Context, *ClientRequest) error

// Authenticate calls f.
func (f clientAuthFunc) Authenticate(ctx context.Context, r *ClientRequest) error { return f(ctx, r) }

// SecretBasic sends the client's id and secret as Basic credentials
// (client_secret_basic), both form-encoded first as RFC 6749, section 2.3.1,
// has it. For a server that does not decode them see [SecretBasicRaw].
func SecretBasic(secret auth.Secret) ClientAuth { return secretBasic(secret, url.QueryEscape) }

// SecretBasicRaw is [SecretBasic] without the form-encoding, for servers that
// take the credentials as they are. It makes a difference only if the id or the
// secret has characters other than letters, digits and "-_.~". The id must not
// have a colon.
func SecretBasicRaw(secret auth.Secret) ClientAuth {
	return secretBasic(secret, func(s string) string { return s })
}

func secretBasic(secret auth.Secret, encode func(string) string) ClientAuth {
	return clientAuthFunc(func(_ context.Context, r *ClientRequest) error {
		if secret.IsZero() {
			return errNoSecret
		}
		pair := encode(r.ClientID) + ":" + encode(secret.Reveal())
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
		return nil
	})
}

// SecretPost sends the client's id and secret in the form (client_secret_post).
// RFC 6749 recommends [SecretBasic] where the server knows it.
func SecretPost(secret auth.Secret) ClientAuth {
	return clientAuthFunc(func(_ context.Context, r *ClientRequest) error {
		if secret.IsZero() {
			return errNoSecret
		}
		r.Form.Set("client_id", r.ClientID)
		r.Form.Set("client_secret", secret.Reveal())
		return nil
	})
}

// errNoSecret cannot be told earlier: a Secret may be empty.
var errNoSecret = &permanentError{errors.New("oauth: the client's secret is empty")}

// Public sends the client's id and proves nothing (RFC 6749, section 2.1): for
// programs that cannot keep a secret.
func Public() ClientAuth {
	return clientAuthFunc(func(_ context.Context, r *ClientRequest) error {
		r.Form.Set("client_id", r.ClientID)
		return nil
	})
}

// TLSClientAuth sends the client's id and leaves the proof to the client
// certificate of Config.Transport: tls_client_auth and
// self_signed_tls_client_auth (RFC 8705, section 2). The endpoints must be those
// that ask for a certificate; see Metadata.MTLS.
func TLSClientAuth() ClientAuth { return Public() }

// ClientAssertion sends a signed assertion in place of a secret (RFC 7523,
// section 2.2): private_key_jwt with [Mint], or the token that a platform gives
// to its workloads with [AssertionFile] or any func.
func ClientAssertion(assertion Assertion) ClientAuth {
	return clientAuthFunc(func(ctx context.Context, r *ClientRequest) error {
		token, err := assertion.get(ctx, r.AssertionRequest)
		if err != nil {
			return err
		}
		r.Form.Set("client_id", r.ClientID)
		r.Form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		r.Form.Set("client_assertion", token)
		return nil
	})
}

// permanentError is an error that only somebody who changes something can end.
type permanentError struct{ error }

// Unwrap returns the error.
func (e *permanentError) Unwrap() error { return e.error }

// Retryable is false.
func (*permanentError) Retryable() bool { return false }
