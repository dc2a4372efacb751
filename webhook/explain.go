package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Finding is one thing that is, or may be, wrong with a request or with the
// configuration.
type Finding struct {
	// Kind is what it is about: "body", "secret", "url", "clock" or "header".
	Kind string
	// Text says what it is. It names no secret and no signature.
	Text string
	// Certain says that with this put right the signature would be good. Else it
	// is something that is odd.
	Certain bool
}

// Explanation is what [Verifier.Explain] and [Verifier.ExplainAt] have found.
type Explanation struct {
	// Err is the error of Verify or VerifyAt, nil if the request is good.
	Err error
	// Findings are what may be the reason, the certain ones first.
	Findings []Finding
}

// String puts the explanation into lines, for people.
func (x Explanation) String() string {
	if x.Err == nil {
		return "the signature is good"
	}
	var b strings.Builder
	b.WriteString(x.Err.Error())
	for _, f := range x.Findings {
		b.WriteString("\n" + f.Kind + ": " + f.Text)
	}
	if len(x.Findings) == 0 {
		b.WriteString("\nnothing odd was found: another secret, perhaps")
	}
	return b.String()
}

// maxExplained bounds the bodies that Explain changes to try them.
const maxExplained = 1 << 20

// Explain finds out why a request is refused, by trying what people often get
// wrong: a body that a framework has parsed and written again, a secret in
// another encoding, a URL as it was before the proxy, a clock that is wrong.
// It is for development and for logs: it costs many verifications, and what it
// says must not go to the sender.
func (v *Verifier) Explain(req *http.Request, body []byte) Explanation {
	return v.ExplainAt(req, body, time.Time{})
}

// ExplainAt is Explain for a request that came at another time than now, and is
// to [Verifier.VerifyAt] what Explain is to Verify. The zero time means now.
func (v *Verifier) ExplainAt(req *http.Request, body []byte, at time.Time) Explanation {
	e := v.engine
	_, err := v.VerifyAt(req, body, at)
	x := Explanation{Err: err}
	if err == nil || e.scheme.Verify != nil {
		return x
	}
	var wrong *Error
	if errors.As(err, &wrong) && wrong.Skew != 0 {
		x.add(true, "clock", "the signature is good, but the timestamp is off by %v: is a clock wrong, or was the request kept in a queue? (VerifyAt takes the time at which it came)", wrong.Skew.Round(time.Second))
	}
	x.headers(e, req)
	if errors.Is(err, ErrBadSignature) || errors.Is(err, ErrMalformed) {
		x.bodies(e, req, body)
		x.secrets(e, req, body)
		x.urls(e, req, body)
	}
	slices.SortStableFunc(x.Findings, func(a, b Finding) int {
		switch {
		case a.Certain == b.Certain:
			return 0
		case a.Certain:
			return -1
		}
		return 1
	})
	return x
}

func (x *Explanation) add(certain bool, kind, text string, args ...any) {
	x.Findings = append(x.Findings, Finding{Kind: kind, Text: fmt.Sprintf(text, args...), Certain: certain})
}

// would reports whether a changed engine would find the signature good, at
// whatever time.
func (e *engine) would(req *http.Request, body []byte) bool {
	tried := *e
	tried.maxAge, tried.maxSkew = -1, -1
	return tried.verify(req, body, time.Time{}, new(Verified)) == nil
}

// headers looks at the names and the form of fields.
func (x *Explanation) headers(e *engine, req *http.Request) {
	f := &e.families[0]
	present := false
	for _, name := range f.signatures {
		values := req.Header[name]
		present = present || len(values) > 0
		for other := range req.Header {
			if other != name && http.CanonicalHeaderKey(other) == name {
				x.add(false, "header", "%s is there under a name that is not canonical: fill the header by its Set method", name)
			}
		}
		for _, value := range values {
			x.prefix(e, name, value)
		}
	}
	if present || e.signaturePath != nil {
		return
	}
	x.add(false, "header", "there is no %s: does the provider know the secret?", f.signatures[0])
	for _, s := range known() {
		for _, name := range s.Headers {
			if len(s.Families) > 0 {
				name = s.Families[0] + name
			}
			name = strings.Replace(name, "#", "1", 1)
			if s.Name != e.scheme.Name && len(req.Header.Values(name)) > 0 {
				x.add(false, "header", "there is %s, which scheme %s uses", http.CanonicalHeaderKey(name), s.Name)
			}
		}
	}
}

// prefix looks at how a signature begins.
func (x *Explanation) prefix(e *engine, name, value string) {
	for _, v := range e.scheme.Versions {
		if strings.Contains(value, v.Prefix) {
			if strings.TrimSpace(value) != value || strings.ContainsAny(value, "\"'") {
				x.add(false, "header", "%s has quotes or blanks around it", name)
			}
			return
		}
	}
	for _, prefix := range []string{"sha1=", "sha256=", "sha512=", "v0=", "v1=", "v2=", "v1,", "v1a,", "h1="} {
		if strings.HasPrefix(value, prefix) {
			x.add(false, "header", "%s begins with %q, and scheme %s accepts only %s", name, prefix, e.scheme.Name, e.prefixes())
			return
		}
	}
	x.add(false, "header", "%s does not begin with %s", name, e.prefixes())
}

func (e *engine) prefixes() string {
	var all []string
	for _, v := range e.scheme.Versions {
		all = append(all, fmt.Sprintf("%q", v.Prefix))
	}
	return strings.Join(all, " or ")
}

// known are the schemes of this package.
func known() []Scheme {
	return []Scheme{
		StandardWebhooks(), Svix(), Stripe(), Calendly(), Paddle(), Slack(), Zoom(), Discord(), SendGrid(),
		Zendesk(), Box(), Twitch(), GitHub(), Bitbucket(), GitLabToken(), Shopify(), Typeform(), PagerDuty(),
		Razorpay(), Dropbox(), X(), DocuSign(), Wise(), Linear(), Twilio(), Square(), HubSpot(), PayPal("x"),
	}
}
