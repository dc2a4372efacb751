package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

// sendTimeout is how long a receiver may take for its answer.
const sendTimeout = 30 * time.Second

// signFlags are the flags of sign.
type signFlags struct {
	scheme  schemeFlags
	secrets secretFlags
	url, id string
	at      timeFlag
	print   string
	send    bool
}

func runSign(ctx context.Context, sys System, fs *flag.FlagSet, args []string) error {
	var f signFlags
	f.scheme.add(fs)
	f.secrets.add(fs)
	fs.StringVar(&f.url, "url", "https://example.com/webhooks", "address to sign for, and to send to")
	fs.StringVar(&f.id, "id", "", "ID of the event, for schemes that have it in the header (default msg_webhooktest)")
	fs.TextVar(&f.at, "at", timeFlag{}, "`time` when it was signed, such as 2026-01-31T12:00:00Z (default now)")
	fs.StringVar(&f.print, "print", "curl", "what to print: curl, headers, or request, which hooks verify reads")
	fs.BoolVar(&f.send, "send", false, "send it to -url instead")
	if err := parse(fs, args, 0, 1); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	body, err := readInput(sys.Stdin, fs.Arg(0))
	if err != nil {
		return err
	}
	req, err := f.request(sys.Getenv, body)
	if err != nil {
		return err
	}
	if f.send {
		return send(ctx, sys.Stdout, req)
	}
	signed, err := io.ReadAll(req.Body) // the scheme may have put something into it
	if err != nil {
		return err
	}
	return write(sys.Stdout, f.print, req, signed)
}

// check looks at what can be wrong before anything is signed.
func (f *signFlags) check() error {
	scheme, err := f.scheme.scheme()
	if err != nil {
		return err
	}
	u, err := url.Parse(f.url)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return wrong("-url: want an address such as https://example.com/webhooks")
	case strings.ContainsFunc(f.id, unicode.IsControl):
		return wrong("-id: an ID has no control characters")
	case !slices.Contains([]string{"curl", "headers", "request"}, f.print):
		return wrong("-print %q: want curl, headers or request", f.print)
	case revealing(scheme) && !f.send:
		return wrong("the signature of %s is the secret itself: it can be sent, not printed", scheme.Name)
	case revealing(scheme) && u.Scheme != "https" && !loopback(u.Hostname()):
		return wrong("the signature of %s is the secret itself: it is sent by https only", scheme.Name)
	}
	return nil
}

// loopback says whether nobody but this machine can listen.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// request signs body.
func (f *signFlags) request(getenv func(string) string, body []byte) (*http.Request, error) {
	scheme, err := f.scheme.scheme()
	if err != nil {
		return nil, err
	}
	secrets, err := f.secrets.read(getenv)
	if err != nil {
		return nil, err
	}
	if len(secrets) > 1 {
		return nil, wrong("a request is signed with one secret")
	}
	c := webhooktest.Config{Scheme: scheme, ID: f.id}
	if c.Private, err = private(secrets[0]); err != nil {
		return nil, err
	}
	c.Version = slices.IndexFunc(scheme.Versions, func(v webhook.Version) bool { return asymmetric(v) == (c.Private != nil) })
	switch {
	case c.Version < 0 && c.Private == nil:
		return nil, wrong("%s signs with a private key: give it in PEM", scheme.Name)
	case c.Version < 0:
		return nil, wrong("%s signs with a secret, not with a private key", scheme.Name)
	case c.Private == nil:
		c.Secret = secrets[0].Reveal()
	}
	signer, err := webhooktest.New(c)
	if err != nil {
		return nil, &usageError{err}
	}
	at := f.at.Time
	if at.IsZero() {
		at = time.Now()
	}
	// A verifier of the same key says what is wrong with a secret that is too short,
	// and with a key of another algorithm than the scheme's.
	check := webhook.Config{Scheme: scheme, Keys: []webhook.Key{signer.Key()}}
	if strings.Contains(scheme.Signed, "url}") {
		check.URL = f.url
	}
	if _, err := webhook.New(check); err != nil {
		return nil, &usageError{err}
	}
	req, err := signer.Request(f.url, body, at)
	if err != nil {
		return nil, &usageError{err}
	}
	return req, nil
}

func asymmetric(v webhook.Version) bool {
	return v.Algorithm == webhook.Ed25519 || v.Algorithm == webhook.ECDSA || v.Algorithm == webhook.RSA
}

// send sends a request and says what the answer was. It follows no redirect: a
// provider would not, either.
func send(ctx context.Context, w io.Writer, req *http.Request) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req.WithContext(ctx))
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("no answer within %v", sendTimeout)
	case err != nil:
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		fmt.Fprintln(w, "no: the answer is", resp.StatusCode, http.StatusText(resp.StatusCode))
		if after := resp.Header.Get("Retry-After"); after != "" {
			fmt.Fprintln(w, "it may be sent again after:", printable(after, 40))
		}
		return errNo
	}
	fmt.Fprintln(w, "yes: the answer is", resp.StatusCode, http.StatusText(resp.StatusCode))
	return nil
}

// write prints a request.
func write(w io.Writer, form string, req *http.Request, body []byte) error {
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range req.Header {
			if !yield(name) {
				return
			}
		}
	})
	var b bytes.Buffer
	switch form {
	case "headers":
		writeHeader(&b, req, names, "\n")
	case "request":
		fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", req.Method, req.URL.RequestURI(), req.URL.Host)
		writeHeader(&b, req, names, "\r\n")
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	default:
		if bytes.IndexByte(body, 0) >= 0 {
			return wrong("a shell cannot pass a body with a byte that is 0: use -print request")
		}
		fmt.Fprintf(&b, "curl --request %s", req.Method)
		for _, name := range names {
			for _, value := range req.Header[name] {
				fmt.Fprintf(&b, " \\\n  --header %s", quoted(name+": "+value))
			}
		}
		// --data-raw, for a body that begins with @ is no name of a file.
		fmt.Fprintf(&b, " \\\n  --data-raw %s \\\n  %s\n", quoted(string(body)), quoted(req.URL.String()))
	}
	_, err := w.Write(b.Bytes())
	return err
}

func writeHeader(b *bytes.Buffer, req *http.Request, names []string, end string) {
	for _, name := range names {
		for _, value := range req.Header[name] {
			b.WriteString(name + ": " + value + end)
		}
	}
}

// quoted puts text into single quotes for a shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
