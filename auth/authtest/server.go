package authtest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/rttest"
)

// ServerConfig says what a [Server] is like. The zero value is a server at
// https://as.example that takes any client, rotates refresh tokens and gives
// tokens for an hour.
type ServerConfig struct {
	// Issuer is the server's identifier, and the beginning of the URLs of its
	// endpoints. "" means "https://as.example".
	Issuer string
	// ClientID and ClientSecret, when given, are those that a client must have,
	// as Basic credentials (form-encoded as in RFC 6749, section 2.3.1) or in
	// the form.
	ClientID, ClientSecret string
	// Lifetime is that of an access token. 0 means an hour.
	Lifetime time.Duration
	// NoRotation keeps refresh tokens as they are, and leaves them out of the
	// answer to a refresh.
	NoRotation bool
	// RequirePushed takes no login that was not pushed first (RFC 9126).
	RequirePushed bool
	// ClockAhead is how far the server's clock is ahead of the local one.
	ClockAhead time.Duration
}

// Server is an OAuth 2.0 authorization server for tests, which does well until
// it is told to fail: see [Server.Fail]. It knows the grants client_credentials,
// authorization_code with PKCE (pushed or not), refresh_token, device_code, jwt-bearer and
// token-exchange, as well as revocation and metadata. It believes every
// assertion, logs everybody in, and takes the second use of a refresh token for
// a theft, which ends that login.
//
// It is an http.Handler, and [Server.Transport] leads to it without a socket, so
// that it works inside a testing/synctest bubble. It is safe for concurrent use.
type Server struct {
	config ServerConfig
	mux    *http.ServeMux

	mu       sync.Mutex
	network  *rttest.Network // nil until Transport is called
	faults   []Fault
	requests []Request
	logins   map[string]*login // by refresh token, also used ones
	codes    map[string]code
	pushed   map[string]url.Values // by request_uri
	devices  map[string]*device    // by device code
	issued   int
}

// Request is one that the token endpoint has got.
type Request struct {
	// Grant is the grant_type.
	Grant string
	// Form is the body.
	Form url.Values
	// Header is that of the request.
	Header http.Header
	// At is when it came, by the local clock.
	At time.Time
	// Fault is the name of the fault that it met; "" if there was none.
	Fault string
}

// login is all that has come of one login.
type login struct {
	current string // the refresh token that is good
	ended   bool
}

type code struct{ challenge, redirectURI string }

type device struct{ approved, denied bool }

// NewServer makes a Server.
func NewServer(c ServerConfig) *Server {
	if c.Issuer == "" {
		c.Issuer = "https://as.example"
	}
	if c.Lifetime == 0 {
		c.Lifetime = time.Hour
	}
	s := &Server{
		config: c, mux: http.NewServeMux(),
		logins: make(map[string]*login), codes: make(map[string]code), pushed: make(map[string]url.Values), devices: make(map[string]*device),
	}
	s.mux.HandleFunc("POST /token", s.token)
	s.mux.HandleFunc("POST /revoke", s.revoke)
	s.mux.HandleFunc("POST /device", s.device)
	s.mux.HandleFunc("POST /par", s.push)
	s.mux.HandleFunc("GET /authorize", s.authorize)
	s.mux.HandleFunc("GET /.well-known/oauth-authorization-server", s.metadata)
	s.mux.HandleFunc("GET /.well-known/openid-configuration", s.metadata)
	return s
}

// URL returns the URL of an endpoint: "token", "authorize", "device", "revoke" or
// "par".
func (s *Server) URL(endpoint string) string { return s.config.Issuer + "/" + endpoint }

// Issuer returns the server's identifier.
func (s *Server) Issuer() string { return s.config.Issuer }

// Transport returns a RoundTripper that leads to the server, whatever the host,
// with net/http and without sockets. TLS is left out: https is as good as http
// there. Close must be called, inside the bubble if there is one.
func (s *Server) Transport() http.RoundTripper {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.network == nil {
		s.network = rttest.NewNetwork(s)
	}
	return &transport{server: s, network: s.network.Transport}
}

// Close ends the server behind Transport and all connections.
func (s *Server) Close() {
	s.mu.Lock()
	network := s.network
	s.network = nil
	s.mu.Unlock()
	if network != nil {
		network.Close()
	}
}

// Requests returns the requests that the token endpoint has got so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Login returns a refresh token of a new login, as if somebody had logged in.
func (s *Server) Login() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rotate(&login{})
}

// EndLogins ends all logins: their refresh tokens are not taken any more.
func (s *Server) EndLogins() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.logins {
		l.ended = true
	}
}

// ApproveDevices lets all device logins under way succeed.
func (s *Server) ApproveDevices() { s.decide(func(d *device) { d.approved = true }) }

// DenyDevices lets all device logins under way fail.
func (s *Server) DenyDevices() { s.decide(func(d *device) { d.denied = true }) }

func (s *Server) decide(decide func(*device)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for d := range maps.Values(s.devices) {
		decide(d)
	}
}

// ServeHTTP answers a request to one of the endpoints.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	s.mux.ServeHTTP(w, r)
}

func (s *Server) now() time.Time { return time.Now().Add(s.config.ClockAhead) }

// rotate returns a new refresh token of l. The lock is held.
func (s *Server) rotate(l *login) string {
	l.current = "refresh-" + rand.Text()
	s.logins[l.current] = l
	return l.current
}

// authenticated reports whether r comes from the client.
func (s *Server) authenticated(r *http.Request) bool {
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, password, ok := r.BasicAuth(); ok {
		var err1, err2 error
		id, err1 = url.QueryUnescape(user)
		secret, err2 = url.QueryUnescape(password)
		if err1 != nil || err2 != nil || r.PostForm.Has("client_secret") {
			return false
		}
	}
	return (s.config.ClientID == "" || id == s.config.ClientID) &&
		(s.config.ClientSecret == "" || secret == s.config.ClientSecret)
}

// answer writes a JSON object.
func answer(w http.ResponseWriter, status int, members map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(members) // the client may have gone
}

// refuse writes an error answer (RFC 6749, section 5.2).
func refuse(w http.ResponseWriter, status int, code string) {
	answer(w, status, map[string]any{"error": code})
}

// challengeOf returns the S256 code challenge of a verifier (RFC 7636).
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// authorize logs the user in and sends the browser back.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	reference := q.Get("request_uri")
	s.mu.Lock()
	if pushed := s.pushed[reference]; pushed != nil || s.config.RequirePushed {
		q = pushed
		delete(s.pushed, reference)
	}
	s.mu.Unlock()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || !back.IsAbs() || q.Get("code_challenge_method") != "S256" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	id := "code-" + rand.Text()
	s.mu.Lock()
	s.codes[id] = code{challenge: q.Get("code_challenge"), redirectURI: q.Get("redirect_uri")}
	s.mu.Unlock()
	back.RawQuery = url.Values{"code": {id}, "state": {q.Get("state")}, "iss": {s.config.Issuer}}.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound) // #nosec G710 -- in a test any client is registered
}

// push takes the parameters of a login.
func (s *Server) push(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if r.ParseForm() != nil || !s.authenticated(r) {
		refuse(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	reference := "urn:ietf:params:oauth:request_uri:" + rand.Text()
	s.mu.Lock()
	s.pushed[reference] = r.PostForm
	s.mu.Unlock()
	answer(w, http.StatusCreated, map[string]any{"request_uri": reference, "expires_in": 60})
}

// device begins a device login.
func (s *Server) device(w http.ResponseWriter, _ *http.Request) {
	id, user := "device-"+rand.Text(), rand.Text()[:8]
	s.mu.Lock()
	s.devices[id] = &device{}
	s.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{
		"device_code": id, "user_code": user, "verification_uri": s.URL("activate"), "expires_in": 600, "interval": 5,
	})
}

// revoke ends a login.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil || !s.authenticated(r) {
		refuse(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.logins[r.PostForm.Get("token")]; l != nil {
		l.ended = true
	}
}

// metadata tells about the server (RFC 8414).
func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                         s.config.Issuer,
		"token_endpoint":                                 s.URL("token"),
		"authorization_endpoint":                         s.URL("authorize"),
		"device_authorization_endpoint":                  s.URL("device"),
		"revocation_endpoint":                            s.URL("revoke"),
		"pushed_authorization_request_endpoint":          s.URL("par"),
		"require_pushed_authorization_requests":          s.config.RequirePushed,
		"code_challenge_methods_supported":               []string{"S256"},
		"authorization_response_iss_parameter_supported": strings.HasPrefix(s.config.Issuer, "http"),
	})
}
