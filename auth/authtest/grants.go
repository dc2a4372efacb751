package authtest

import (
	"fmt"
	"maps"
	"net/http"
	"time"
)

// token is the token endpoint.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request")
		return
	}
	s.mu.Lock()
	fault := s.nextFault()
	s.requests = append(s.requests, Request{
		Grant: r.PostForm.Get("grant_type"), Form: r.PostForm, Header: r.Header.Clone(), At: time.Now(), Fault: fault.Name,
	})
	s.mu.Unlock()
	if fault.before(w, r) {
		return
	}
	if !s.authenticated(r) {
		refuse(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	status, members := s.grant(r)
	if fault.Lose {
		panic(http.ErrAbortHandler)
	}
	answer(w, status, members)
}

// accessTokenType is a name of RFC 8693, section 3.
const accessTokenType = "urn:ietf:params:oauth:token-type:access_token" // #nosec G101 -- a name

// grant does what the client asks for.
func (s *Server) grant(r *http.Request) (status int, members map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	form := r.PostForm
	switch grant := form.Get("grant_type"); grant {
	case "client_credentials":
		return s.issue("", nil)
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		if form.Get("assertion") == "" {
			return failure("invalid_grant")
		}
		return s.issue("", nil)
	case "urn:ietf:params:oauth:grant-type:token-exchange":
		if form.Get("subject_token") == "" || form.Get("subject_token_type") == "" {
			return failure("invalid_request")
		}
		return s.issue("", map[string]any{"issued_token_type": accessTokenType})
	case "authorization_code":
		c, ok := s.codes[form.Get("code")]
		delete(s.codes, form.Get("code"))
		if !ok || c.redirectURI != form.Get("redirect_uri") || c.challenge != challengeOf(form.Get("code_verifier")) {
			return failure("invalid_grant")
		}
		return s.issue(s.rotate(&login{}), nil)
	case "urn:ietf:params:oauth:grant-type:device_code":
		d := s.devices[form.Get("device_code")]
		switch {
		case d == nil:
			return failure("invalid_grant")
		case d.denied:
			return failure("access_denied")
		case !d.approved:
			return failure("authorization_pending")
		}
		delete(s.devices, form.Get("device_code"))
		return s.issue(s.rotate(&login{}), nil)
	case "refresh_token":
		return s.refresh(form.Get("refresh_token"))
	default:
		return failure("unsupported_grant_type")
	}
}

// refresh takes a refresh token.
func (s *Server) refresh(token string) (status int, members map[string]any) {
	l := s.logins[token]
	if l == nil || l.ended {
		return failure("invalid_grant")
	}
	if s.config.NoRotation {
		return s.issue("", nil)
	}
	if l.current != token {
		l.ended = true // the second use of it: somebody has stolen it
		return failure("invalid_grant")
	}
	return s.issue(s.rotate(l), nil)
}

// issue makes a token. The lock is held.
func (s *Server) issue(refresh string, more map[string]any) (status int, members map[string]any) {
	s.issued++
	members = map[string]any{
		"access_token": fmt.Sprintf("access-%d", s.issued),
		"token_type":   "Bearer",
		"expires_in":   int(s.config.Lifetime / time.Second),
	}
	if refresh != "" {
		members["refresh_token"] = refresh
	}
	maps.Copy(members, more)
	return http.StatusOK, members
}

func failure(code string) (status int, members map[string]any) {
	return http.StatusBadRequest, map[string]any{"error": code}
}
