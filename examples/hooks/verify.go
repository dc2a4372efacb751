package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/holdfast-go/holdfast/webhook"
)

// maxRequest is the longest request that is read, in bytes.
const maxRequest = 64 << 20

func runVerify(_ context.Context, sys System, fs *flag.FlagSet, args []string) error {
	var (
		scheme  schemeFlags
		secrets secretFlags
		url     string
		at      timeFlag
		explain bool
	)
	scheme.add(fs)
	secrets.add(fs)
	fs.StringVar(&url, "url", "", "address that the provider calls, for schemes that sign it")
	fs.TextVar(&at, "at", timeFlag{}, "`time` when the request came, such as 2026-01-31T12:00:00Z (default now)")
	fs.BoolVar(&explain, "explain", false, "look for the reason if it does not verify")
	if err := parse(fs, args, 0, 1); err != nil {
		return err
	}
	verifier, err := newVerifier(scheme, secrets, url, sys.Getenv)
	if err != nil {
		return err
	}
	raw, err := readInput(sys.Stdin, fs.Arg(0))
	if err != nil {
		return err
	}
	req, body, err := readRequest(raw, sys.Stderr)
	if err != nil {
		return err
	}

	verified, err := verifier.VerifyAt(req, body, at.Time)
	if err == nil {
		printVerified(sys.Stdout, verified, len(body))
		return nil
	}
	fmt.Fprintln(sys.Stdout, "no:", err)
	if explain {
		printFindings(sys.Stdout, verifier.ExplainAt(req, body, at.Time))
	}
	return errNo
}

func newVerifier(f schemeFlags, s secretFlags, url string, getenv func(string) string) (*webhook.Verifier, error) {
	scheme, err := f.scheme()
	if err != nil {
		return nil, err
	}
	secrets, err := s.read(getenv)
	if err != nil {
		return nil, err
	}
	keys := make([]webhook.Key, len(secrets))
	for i, secret := range secrets {
		keys[i].Secret = secret
	}
	verifier, err := webhook.New(webhook.Config{Scheme: scheme, Keys: keys, URL: url})
	if err != nil {
		return nil, &usageError{err}
	}
	return verifier, nil
}

// printVerified says what a signature proves, and what it does not.
func printVerified(w io.Writer, v webhook.Verified, size int) {
	fmt.Fprintf(w, "yes: verified by %s with key %s, %d bytes\n", v.Scheme, v.KeyID, size)
	if id := v.ID(); id != "" {
		fmt.Fprintf(w, "id:   %s\n", printable(id, 200))
	}
	if !v.Timestamp.IsZero() {
		fmt.Fprintf(w, "time: %s\n", v.Timestamp.UTC().Format(time.RFC3339))
	}
	if !v.TimestampSigned {
		fmt.Fprintln(w, "note: no time is signed: this request can be sent again at any time")
	}
	if !v.IDSigned {
		fmt.Fprintln(w, "note: no ID is signed: this request can be sent again under any ID")
	}
	if !v.BodySigned {
		fmt.Fprintln(w, "note: not all of the body is signed: ask the provider before acting on it")
	}
}

func printFindings(w io.Writer, x webhook.Explanation) {
	for _, f := range x.Findings {
		sure := "maybe"
		if f.Certain {
			sure = "reason"
		}
		fmt.Fprintf(w, "%s: %s: %s\n", sure, f.Kind, f.Text)
	}
	if len(x.Findings) == 0 {
		fmt.Fprintln(w, "nothing odd was found: another secret, perhaps")
	}
}

// readInput reads a file, or standard input if path is empty or "-".
func readInput(stdin io.Reader, path string) ([]byte, error) {
	if path != "" && path != "-" {
		file, err := os.Open(path) //nolint:gosec // the user names the file
		if err != nil {
			return nil, &usageError{err}
		}
		defer func() { _ = file.Close() }()
		stdin = file
	}
	raw, err := io.ReadAll(io.LimitReader(stdin, maxRequest+1))
	if err != nil {
		return nil, &usageError{err}
	}
	if len(raw) > maxRequest {
		return nil, wrong("the input is longer than %d bytes", maxRequest)
	}
	return raw, nil
}

// readRequest reads a request as it is on the wire. Without a Content-Length the body
// goes on to the end. A body that is not as long as its header says is used as far as
// it goes, and warned of, since editors add line breaks and captures end early.
func readRequest(raw []byte, warnings io.Writer) (*http.Request, []byte, error) {
	r := bufio.NewReader(bytes.NewReader(raw))
	req, err := http.ReadRequest(r)
	if err != nil {
		return nil, nil, wrong("this is no HTTP request: %w: it begins with a line such as POST /hooks HTTP/1.1, and an empty line ends its header", err)
	}
	if req.ContentLength == 0 && req.Header.Get("Content-Length") == "" {
		body, err := io.ReadAll(r)
		return req, body, err
	}
	body, err := io.ReadAll(req.Body)
	rest, _ := io.Copy(io.Discard, r)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		fmt.Fprintf(warnings, "hooks verify: the body ends early: it has %d bytes\n", len(body))
	case err != nil:
		return nil, nil, wrong("the body cannot be read: %w", err)
	case rest > 0:
		fmt.Fprintf(warnings, "hooks verify: %d bytes behind the end of the body are not used\n", rest)
	}
	return req, body, nil
}

// timeFlag is a time in RFC 3339. The zero value is no time.
type timeFlag struct{ time.Time }

// UnmarshalText reads a time.
func (t *timeFlag) UnmarshalText(text []byte) error {
	parsed, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return errors.New("want a time such as 2026-01-31T12:00:00Z")
	}
	t.Time = parsed
	return nil
}

// MarshalText writes the time, and nothing for the zero value.
func (t timeFlag) MarshalText() ([]byte, error) {
	if t.IsZero() {
		return nil, nil
	}
	return t.AppendFormat(nil, time.RFC3339), nil
}
