package fallback

import (
	"net/url"
	"slices"
	"strings"
)

// The words by which the name of a header field is taken for that of a
// credential. Erring on this side costs an answer, on the other a secret.
var (
	// secretWords say so wherever they stand in the name.
	secretWords = []string{
		"accesskey", "apikey", "appkey", "assertion", "authenticat", "authkey", "authoriz", "cookie", "credential", "macaroon",
		"passphrase", "passwd", "password", "privatekey", "secret", "session", "signature", "subscriptionkey", "token",
	}
	// secretParts say so as a whole part of the name, between hyphens.
	secretParts = []string{
		"auth", "bearer", "csrf", "dpop", "hmac", "jwt", "key", "mac", "otp", "pass", "passcode", "pat", "pin", "pwd", "saml", "sid",
		"sig", "sign", "ticket", "xsrf",
	}
	// notSecret are the names that sound like it and are not.
	notSecret = []string{"idempotency-key", "x-idempotency-key", "sec-websocket-key"}
)

// secretField reports whether a header field of this name may hold a credential.
func secretField(name string) bool {
	name = strings.ToLower(name)
	if slices.Contains(notSecret, name) {
		return false
	}
	for _, word := range secretWords {
		if strings.Contains(name, word) {
			return true
		}
	}
	for part := range strings.FieldsFuncSeq(name, separates) {
		if slices.Contains(secretParts, part) {
			return true
		}
	}
	return false
}

// separates reports whether r stands between the parts of a name.
func separates(r rune) bool {
	return (r < '0' || '9' < r) && (r < 'a' || 'z' < r) && (r < 'A' || 'Z' < r)
}

// The names of query parameters, without case and punctuation, that are taken
// for those of credentials.
var (
	secretNames = []string{
		"auth", "authorization", "bearer", "code", "csrf", "dpop", "hmac", "jwt", "key", "otp", "pass", "passcode", "passwd", "pin",
		"pwd", "session", "sid", "sig", "sign", "ticket", "xsrf",
	}
	secretEnds = []string{
		"accesskey", "accesskeyid", "accountkey", "apikey", "appkey", "assertion", "authkey", "clientkey", "consumerkey",
		"credential", "credentials", "licensekey", "masterkey", "passphrase", "password", "privatekey", "secret", "secretkey",
		"serverkey", "servicekey", "sessid", "sessionid", "sharedkey", "signature", "signingkey", "subscriptionkey", "token", "userkey",
	}
	// notSecretEnds are those of places in a list.
	notSecretEnds = []string{
		"continuationtoken", "cursortoken", "deltatoken", "nexttoken", "pagetoken", "paginationtoken", "prevtoken", "resumetoken",
		"resumptiontoken", "scrolltoken", "skiptoken", "startingtoken", "starttoken", "synctoken",
	}
)

// secretParameter reports whether a query parameter of this name may hold a
// credential.
func secretParameter(name string) bool {
	name = strings.Map(func(r rune) rune {
		if separates(r) {
			return -1
		}
		return r
	}, strings.ToLower(name))
	ends := func(end string) bool { return strings.HasSuffix(name, end) }
	return slices.Contains(secretNames, name) || slices.ContainsFunc(secretEnds, ends) && !slices.ContainsFunc(notSecretEnds, ends)
}

// secretQuery returns the parameters of a raw query that may hold a credential
// and are not among those that are allowed. Servers differ in what separates
// parameters, so both characters do.
func secretQuery(query string, allowed []string) (pairs []string) {
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if secretParameter(name) && !containsFold(allowed, name) {
			pairs = append(pairs, pair)
		}
	}
	return pairs
}

// containsFold reports whether name is in list, without regard to case.
func containsFold(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
}
