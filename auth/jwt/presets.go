package jwt

import (
	"crypto"
	"time"
)

// The times of GitHub Apps. GitHub refuses tokens whose "exp" is more than ten
// minutes ahead of its clock, and those whose "iat" is ahead of it at all.
const (
	githubLifetime = 9 * time.Minute
	githubBackdate = time.Minute
)

// googleLifetime is the longest that Google takes.
const googleLifetime = time.Hour

// GitHubApp returns the configuration for the tokens with which a GitHub App
// authenticates: RS256, "iat" a minute back and "exp" nine minutes ahead, so
// that a clock that is out by a minute does no harm. The id is the App's client
// id, or its number. The key must be the RSA key that GitHub has made for it.
func GitHubApp(id string, key crypto.Signer) MinterConfig {
	return MinterConfig{
		Key:       key,
		Algorithm: RS256,
		Claims:    Claims{Issuer: id},
		Lifetime:  githubLifetime,
		Backdate:  githubBackdate,
	}
}

// GoogleServiceAccount returns the configuration for the assertions that a
// Google service account exchanges for access tokens (RFC 7523, section 2.1):
// RS256, an hour, for Google's token endpoint. The email and the key id are the
// members "client_email" and "private_key_id" of the account's key file. For a
// user of the domain, set Claims.Subject.
func GoogleServiceAccount(email, keyID string, key crypto.Signer, scopes ...string) MinterConfig {
	return MinterConfig{
		Key:       key,
		Algorithm: RS256,
		KeyID:     keyID,
		Type:      "JWT",
		Claims:    Claims{Issuer: email, Audience: []string{"https://oauth2.googleapis.com/token"}, Scope: scopes},
		Lifetime:  googleLifetime,
	}
}

// GoogleSelfSigned returns the configuration for the tokens that a Google service
// account signs for itself and that many of Google's APIs take in place of access
// tokens (AIP-4111), so that nothing is exchanged: RS256 and an hour. The email
// and the key id are those of [GoogleServiceAccount]. For an API that takes no
// scopes in them pass none, and set Claims.Audience to its URL, such as
// "https://pubsub.googleapis.com/". Only one of the two may be there.
func GoogleSelfSigned(email, keyID string, key crypto.Signer, scopes ...string) MinterConfig {
	return MinterConfig{
		Key:       key,
		Algorithm: RS256,
		KeyID:     keyID,
		Type:      "JWT",
		Claims:    Claims{Issuer: email, Subject: email, Scope: scopes},
		Lifetime:  googleLifetime,
	}
}

// SelfSigned returns the configuration for tokens with which one service calls
// another without an authorisation server: the service is issuer and subject,
// the other is the audience, and each token lives for [DefaultLifetime]. It is
// also the shape of a client assertion (RFC 7523, section 3), with the URL of
// the token endpoint as audience.
func SelfSigned(service, audience, keyID string, key crypto.Signer) MinterConfig {
	return MinterConfig{
		Key:    key,
		KeyID:  keyID,
		Type:   "JWT",
		Claims: Claims{Issuer: service, Subject: service, Audience: []string{audience}},
	}
}
