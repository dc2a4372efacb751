package oauth

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/holdfast-go/holdfast/auth"
)

// The times of a device login (RFC 8628, section 3.2 and 3.5).
const (
	defaultInterval = 5 * time.Second
	slowDown        = 5 * time.Second
	minInterval     = time.Second
	maxInterval     = time.Minute
	defaultLogin    = 15 * time.Minute
	maxLogin        = time.Hour
)

// maxShown is the longest text that a user would be shown.
const maxShown = 2048

// DeviceLogin is a login on another device that is under way (RFC 8628). Show
// the user the code and the URI, then call [DeviceLogin.Wait].
type DeviceLogin struct {
	// UserCode is what the user types in.
	UserCode string
	// VerificationURI is where.
	VerificationURI string
	// VerificationURIComplete has the code in it, for a QR code. It may be "".
	VerificationURIComplete string
	// Expiry is when the login has to be complete.
	Expiry time.Time

	client   *Client
	params   Params
	code     auth.Secret
	interval time.Duration
}

// StartDevice begins a login. Transport errors, 429 and 5xx are repeated. What is
// to be shown to the user has no control characters.
func (c *Client) StartDevice(ctx context.Context, p Params) (*DeviceLogin, error) {
	if c.config.Endpoints.Device == "" {
		return nil, errors.New("oauth: Config.Endpoints.Device is empty")
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	a, err := c.post(ctx, call{url: c.config.Endpoints.Device, repeat: always, form: fixed(p.values())})
	if err != nil {
		return nil, err
	}
	o, err := a.success()
	if err != nil {
		return nil, err
	}
	code, okCode := o.text("device_code")
	user, okUser := o.text("user_code")
	uri, okURI := o.text("verification_uri")
	if uri == "" && okURI {
		uri, okURI = o.text("verification_url") // as Google has it
	}
	complete, okComplete := o.text("verification_uri_complete")
	switch {
	case !okCode || code == "" || !visible(code, ' '):
		return nil, a.invalid("it has no device_code")
	case !okUser || user == "" || !visible(user, ' ') || len(user) > maxShown:
		return nil, a.invalid("it has no user_code that can be shown")
	case !okURI || !isWeb(uri):
		return nil, a.invalid("it has no verification_uri that can be shown")
	case !okComplete || complete != "" && !isWeb(complete):
		return nil, a.invalid("its verification_uri_complete cannot be shown")
	}
	login := &DeviceLogin{
		UserCode: user, VerificationURI: uri, VerificationURIComplete: complete,
		client: c, params: p.clone(), code: auth.NewSecret(code),
		interval: min(o.seconds("interval"), maxInterval),
	}
	if login.interval == 0 {
		login.interval = defaultInterval
	}
	login.interval = max(login.interval, minInterval)
	lifetime := min(o.seconds("expires_in"), maxLogin)
	if lifetime == 0 {
		lifetime = defaultLogin
	}
	login.Expiry = a.sent.Add(lifetime)
	return login, nil
}

// isWeb reports whether s is a URL of http or https that can be shown.
func isWeb(s string) bool {
	if !visible(s, '!') || len(s) > maxShown {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http")
}

// Wait asks the server until the user has logged in, or has refused, or the time
// is up, and returns the token. It goes on while the server cannot be reached or
// is not well, with longer and longer waits, and when it is told to slow down.
// Call it once.
func (d *DeviceLogin) Wait(ctx context.Context) (*auth.Token, error) {
	ctx, cancel := context.WithDeadlineCause(ctx, d.Expiry, errDeviceExpired)
	defer cancel()
	interval, pause := d.interval, d.interval
	for {
		if err := sleep(ctx, pause); err != nil {
			return nil, d.ended(err)
		}
		t, err := d.poll(ctx)
		if err == nil {
			return t, nil
		}
		if ctx.Err() != nil {
			return nil, d.ended(context.Cause(ctx))
		}
		e, ok := errors.AsType[*auth.TokenError](err)
		switch {
		case !ok:
			return nil, err
		// These two are known by their codes alone: GitHub sends them with a
		// status of 200, Google with 428 and 403.
		case e.Code == "authorization_pending":
			pause = interval
		case e.Code == "slow_down":
			interval = min(interval+slowDown, maxInterval)
			pause = max(interval, e.Wait)
		case e.Kind == auth.Transient:
			// Section 3.5: each time twice as long as before.
			pause = max(min(2*pause, maxInterval), interval, e.Wait)
		default:
			return nil, err
		}
	}
}

var errDeviceExpired = errors.New("oauth: the time for the login is over")

// ended is the error for a wait that the context has ended.
func (*DeviceLogin) ended(cause error) error {
	if errors.Is(cause, errDeviceExpired) {
		return &auth.TokenError{Kind: auth.Permanent, Code: "expired_token", Err: auth.ErrReauthRequired}
	}
	return &auth.TokenError{Kind: auth.Canceled, Err: cause}
}

// poll asks once.
func (d *DeviceLogin) poll(ctx context.Context) (*auth.Token, error) {
	form := Params{Resources: d.params.Resources}.values()
	form.Set("grant_type", "urn:ietf:params:oauth:grant-type:device_code")
	form.Set("device_code", d.code.Reveal())
	a, err := d.client.post(ctx, call{url: d.client.config.Endpoints.Token, form: fixed(form)})
	if err != nil {
		return nil, err
	}
	return a.token(d.params.Scopes)
}

// sleep waits for d, and returns the cause if ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
