package oauth

import "github.com/holdfast-go/holdfast/auth"

// Challenge is what turns a code verifier into a challenge.
var Challenge = challenge

// DecodeAnswer reads a body as the answer of a token endpoint with a status of
// 200.
func DecodeAnswer(contentType string, body []byte) (*auth.Token, error) {
	a := &answer{
		endpoint: "https://as.example/token", status: 200, body: body, maxBytes: DefaultMaxBytes,
		header: map[string][]string{"Content-Type": {contentType}},
	}
	return a.token(nil)
}
