package oauth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/auth"
)

// LoopbackConfig says how a command-line program lets its user log in. Open is
// needed.
type LoopbackConfig struct {
	Params
	// Open shows the user the URL, mostly by starting a browser. Its error ends
	// the login. It must not wait for the browser to be closed: until it has
	// returned neither the answer nor the end of ctx is noticed.
	Open func(url string) error
	// Port is the one to listen on, for servers that insist on a registered
	// redirect URI to the letter. 0 means any that is free, which RFC 8252,
	// section 7.3, asks servers to allow.
	Port int
	// Host is that of the redirect URI: "127.0.0.1", which is what "" means, or
	// "localhost" for servers that take no other, as Entra. The program listens
	// on 127.0.0.1 in either case.
	Host string
	// Path is that of the redirect URI. "" means "/callback".
	Path string
	// Page is the text that the browser shows in the end. "" means a sentence in
	// English.
	Page string
}

// check fills in the defaults, and joins one error for each field that is wrong.
func (c *LoopbackConfig) check() error {
	errs := []error{c.Params.check()}
	if c.Open == nil {
		errs = append(errs, errors.New("oauth: LoopbackConfig.Open is nil"))
	}
	if c.Port < 0 || c.Port > 65535 {
		errs = append(errs, fmt.Errorf("oauth: LoopbackConfig.Port is %d: must be between 0 and 65535", c.Port))
	}
	switch c.Host {
	case "":
		c.Host = loopbackAddress
	case loopbackAddress, "localhost":
	default:
		errs = append(errs, errors.New(`oauth: LoopbackConfig.Host must be "127.0.0.1" or "localhost"`))
	}
	if c.Path == "" {
		c.Path = "/callback"
	}
	if u, err := url.Parse(c.Path); err != nil || u.Path != c.Path || !strings.HasPrefix(c.Path, "/") || strings.HasPrefix(c.Path, "//") {
		errs = append(errs, errors.New("oauth: LoopbackConfig.Path is not a plain absolute path"))
	}
	if c.Page == "" {
		c.Page = "You can close this page and go back to the program."
	}
	return errors.Join(errs...)
}

// LoginLoopback lets the user of a command-line program log in with a browser on
// the same machine (RFC 8252, section 7.3): it listens on 127.0.0.1, opens the
// server's page, and waits until the browser comes back or ctx ends. Give ctx a
// deadline: users walk away. Requests that do not belong to the login are
// refused and do not end it. If Endpoints.RequirePushed is set the login is pushed
// as with [Client.PushCode]. When LoginLoopback returns, nothing listens any
// more.
func (c *Client) LoginLoopback(ctx context.Context, l LoopbackConfig) (*auth.Token, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", net.JoinHostPort(loopbackAddress, strconv.Itoa(l.Port)))
	if err != nil {
		return nil, fmt.Errorf("oauth: loopback: %w", err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String()) // an address of net has one
	host := net.JoinHostPort(l.Host, port)
	login, err := c.startLoopback(ctx, CodeConfig{Params: l.Params, RedirectURI: "http://" + host + l.Path})
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	r := &receiver{client: c, login: login, host: host, config: l, answers: make(chan url.Values, 1)}
	server := &http.Server{Handler: r, ReadHeaderTimeout: loopbackTimeout, WriteTimeout: loopbackTimeout, MaxHeaderBytes: 64 << 10}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // it ends with ErrServerClosed
	}()
	defer func() {
		// The browser gets its page first.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
		<-served
	}()
	if err := l.Open(login.URL); err != nil {
		return nil, fmt.Errorf("oauth: LoopbackConfig.Open: %w", err)
	}
	select {
	case answer := <-r.answers:
		return c.FinishCode(ctx, login, answer)
	case <-ctx.Done():
		return nil, &auth.TokenError{Kind: auth.Canceled, Err: context.Cause(ctx)}
	}
}

// startLoopback begins the login as the server wants it.
func (c *Client) startLoopback(ctx context.Context, p CodeConfig) (*CodeLogin, error) {
	if c.config.Endpoints.RequirePushed {
		return c.PushCode(ctx, p)
	}
	return c.StartCode(p)
}

// loopbackAddress is where the loopback server listens.
const loopbackAddress = "127.0.0.1"

// The times of the loopback server.
const (
	loopbackTimeout = 10 * time.Second
	shutdownTime    = time.Second
)

// receiver takes the one answer that belongs to a login.
type receiver struct {
	client  *Client
	login   *CodeLogin
	host    string
	config  LoopbackConfig
	answers chan url.Values // has room for one
}

// ServeHTTP answers the browser, and anybody else on this machine who has found
// the port. Nothing of the request is repeated in the page.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "no-store")
	// A web page whose name suddenly leads here has another Host.
	if req.Host != r.host || req.URL.Path != r.config.Path {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	if req.Method != http.MethodGet {
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	query, err := url.ParseQuery(req.URL.RawQuery)
	if err == nil {
		_, err = r.client.codeOf(r.login, query)
	}
	if err != nil && (errors.Is(err, ErrState) || errors.Is(err, ErrIssuer) || !query.Has("error")) {
		http.Error(w, "this does not belong to the login under way", http.StatusBadRequest)
		return
	}
	select {
	case r.answers <- query:
	default: // the page was loaded again
	}
	_, _ = w.Write([]byte(r.config.Page)) // nobody can help a browser that has gone
}
