package subject

import (
	"net/http"
	"time"

	"golang.org/x/oauth2"
)

// OAuth2 is golang.org/x/oauth2's Transport with a token that stays good.
func OAuth2() Subject {
	return Subject{Name: "x-oauth2", Wrap: func(next http.RoundTripper) http.RoundTripper {
		token := &oauth2.Token{AccessToken: AccessToken, Expiry: time.Now().Add(tokenLife)}
		return &oauth2.Transport{Source: oauth2.ReuseTokenSource(token, nil), Base: next}
	}}
}
