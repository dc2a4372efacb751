package auth

import (
	"encoding/base64"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// BasicConfig is a user and a password. Both are secrets because some APIs take
// a key in place of the user.
type BasicConfig struct {
	// User must not contain a colon. It may be empty if Password is not.
	User Secret
	// Password may be empty if User is not.
	Password Secret
	// Latin1 sends both in ISO 8859-1, for servers that do not know UTF-8.
	Latin1 bool
}

// Basic sends a user and a password in the Authorization field (RFC 7617).
// Neither may contain control characters. They are sent as they are, in UTF-8:
// RFC 7617 wants them in Unicode's normalization form C. Its error joins one
// error for each field that is wrong, and has no part of either.
func Basic(c BasicConfig) (Authorizer, error) {
	user, password := c.User.Reveal(), c.Password.Reveal()
	var errs []error
	if user == "" && password == "" {
		errs = append(errs, errors.New("auth: BasicConfig: User and Password are both empty"))
	}
	if strings.Contains(user, ":") {
		errs = append(errs, errors.New("auth: BasicConfig.User contains a colon (RFC 7617, section 2)"))
	}
	encoded := make([]string, 2)
	for i, field := range []struct{ name, value string }{{"User", user}, {"Password", password}} {
		var err error
		if encoded[i], err = basicText(field.value, c.Latin1); err != nil {
			errs = append(errs, errors.New("auth: BasicConfig."+field.name+err.Error()))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	pair := encoded[0] + ":" + encoded[1]
	return &fixed{name: authorization, value: NewSecret("Basic " + base64.StdEncoding.EncodeToString([]byte(pair)))}, nil
}

// basicText encodes a user or a password.
func basicText(s string, latin1 bool) (string, error) {
	if !utf8.ValidString(s) {
		return "", errors.New(" is not UTF-8")
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return "", errors.New(" contains control characters (RFC 7617, section 2)")
	}
	if !latin1 {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > unicode.MaxLatin1 {
			return "", errors.New(" contains characters that ISO 8859-1 does not have")
		}
		b = append(b, byte(r)) // #nosec G115 -- checked above
	}
	return string(b), nil
}
