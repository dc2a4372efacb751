package header

import "strings"

// IsToken reports whether s is a token (RFC 9110, section 5.6.2), such as the
// name of a field.
func IsToken(s string) bool {
	for i := range len(s) {
		if !isTchar(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTchar(c byte) bool {
	return isAlpha(c) || isDigit(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
