package webhook

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// compile checks c and makes an engine of it. The error joins one for each
// field that is wrong.
func compile(c Config) (*engine, error) {
	s := c.Scheme
	errs := s.check()
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("webhook: "+format, args...)) }
	if c.MaxSignatures < 0 || c.MaxSignatures > maxSignatures {
		wrong("Config.MaxSignatures is %d: must be between 0 and %d", c.MaxSignatures, maxSignatures)
	}
	parts, err := parseTemplate(s.Signed)
	if err != nil {
		wrong("Scheme.Signed %w", err)
	}
	e := &engine{
		scheme:        s.clone(),
		checks:        new(spares),
		parts:         parts,
		keysFor:       c.KeysFor,
		shortSecrets:  c.DangerouslyShortSecrets,
		maxSignatures: orDefault(c.MaxSignatures, DefaultMaxSignatures),
		maxAge:        orDefault(c.MaxAge, orDefault(s.MaxAge, DefaultMaxAge)),
		maxSkew:       orDefault(c.MaxSkew, orDefault(s.MaxSkew, DefaultMaxSkew)),
	}
	if has(parts, urlPart, decodedURLPart) {
		if e.url, err = parsePublicURL(c.URL); err != nil {
			wrong("Config.URL %w", err)
		}
	} else if c.URL != "" {
		wrong("Config.URL is set: scheme %s signs no URL", s.Name)
	}
	if s.Verify == nil {
		errs = append(errs, s.checkSigning(parts)...)
		if len(c.Keys) == 0 == (c.KeysFor == nil) {
			wrong("Config.Keys or Config.KeysFor must be set, and not both")
		}
		if e.keys, err = parseKeys(&e.scheme, "Config.Keys", c.Keys, c.DangerouslyShortSecrets); err != nil {
			errs = append(errs, err)
		}
	} else {
		if len(c.Keys) > 0 || c.KeysFor != nil {
			wrong("Config.Keys are set: Scheme.Verify has keys of its own")
		}
		if len(s.Headers) > 0 || len(s.Versions) > 0 || s.Signed != "" || s.SignatureJSON != "" {
			wrong("Scheme.Verify is set beside Headers, SignatureJSON, Versions or Signed, which would do nothing")
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	e.prepare()
	return e, nil
}

func orDefault[T comparable](value, standard T) T {
	var zero T
	if value == zero {
		return standard
	}
	return value
}

// clone returns a copy that shares nothing with s that can be changed.
func (s *Scheme) clone() Scheme {
	c := *s
	c.Headers = slices.Clone(s.Headers)
	c.Families = slices.Clone(s.Families)
	c.Versions = slices.Clone(s.Versions)
	c.Expect = maps.Clone(s.Expect)
	c.Ack.Body = slices.Clone(s.Ack.Body)
	if s.Batch != nil {
		b := *s.Batch
		c.Batch = &b
	}
	return c
}

// check returns an error for each field that is wrong in any scheme.
func (s *Scheme) check() []error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("webhook: Scheme."+format, args...))
		}
	}
	wrong(s.Name == "", "Name is empty")
	wrong(s.MaxBody < 0, "MaxBody is %d: must not be negative", s.MaxBody)
	wrong(s.Ack.Status != 0 && (s.Ack.Status < 200 || s.Ack.Status > 299), "Ack.Status is %d: must be a success", s.Ack.Status)
	for name, f := range map[string]Field{"ID": s.ID, "DeliveryID": s.DeliveryID, "Type": s.Type, "Timestamp": s.Timestamp} {
		set := 0
		for _, v := range []string{f.Header, f.Item, f.JSON} {
			if v != "" {
				set++
			}
		}
		wrong(set > 1, "%s names several places", name)
		wrong(f.Item != "" && name != "Timestamp", "%s.Item is set: only a Timestamp is in the signature header", name)
		wrong(f.JSON != "" && !validPaths(f.JSON), "%s.JSON is no path", name)
	}
	if b := s.Batch; b != nil {
		wrong(b.JSON != "" && !validPath(b.JSON), "Batch.JSON is no path")
		wrong(b.ID != "" && !validPaths(b.ID), "Batch.ID is no path")
		wrong(b.Type != "" && !validPath(b.Type), "Batch.Type is no path")
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errs
}

// checkSigning returns an error for each field that is wrong in a scheme
// without Verify. With Verify, it says what must not be set.
func (s *Scheme) checkSigning(parts []part) []error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("webhook: Scheme."+format, args...))
		}
	}
	wrong((len(s.Headers) == 0) == (s.SignatureJSON == ""), "Headers or SignatureJSON must be set, and not both")
	wrong(s.SignatureJSON != "" && !validPath(s.SignatureJSON), "SignatureJSON is no path")
	for _, h := range s.Headers {
		wrong(strings.Trim(h, "#") == "" || strings.ContainsAny(h, " \t\r\n:"), "Headers has %q, which is no name of a field", h)
	}
	wrong(!slices.Contains([]string{"", ",", ";", " "}, s.Separator), "Separator is %q: must be a comma, a semicolon, a blank or nothing", s.Separator)
	wrong(len(s.Versions) == 0, "Versions is empty")
	token := false
	for i, v := range s.Versions {
		wrong(v.Algorithm < HMACSHA256 || v.Algorithm > Token, "Versions[%d].Algorithm does not exist", i)
		wrong(v.Prefix == "" && len(s.Versions) > 1, "Versions[%d].Prefix is empty: versions are told apart by it", i)
		token = token || v.Algorithm == Token
	}
	wrong(token && len(s.Versions) > 1, "Versions has a Token beside others: it would be the way around them")
	wrong(token == (s.Signed != ""), "Signed must be set, but for a Token")
	wrong(s.Encoding < Hex || s.Encoding > RawBase64URL, "Encoding does not exist")
	wrong(s.KeyFormat < Verbatim || s.KeyFormat > StandardOrVerbatim, "KeyFormat does not exist")
	wrong(s.TimeFormat < UnixSeconds || s.TimeFormat > RFC3339, "TimeFormat does not exist")
	wrong(s.MinSecret < 0, "MinSecret is %d: must not be negative", s.MinSecret)
	wrong(has(parts, timestampPart) && s.Timestamp == Field{}, "Timestamp must be set: Signed has it")
	wrong(strings.Contains(s.Timestamp.JSON, " "), "Timestamp.JSON is more than one path")
	wrong(s.Timestamp.Item != "" && !has(parts, timestampPart), "Signed must have {timestamp}: it would not be signed otherwise")
	wrong(has(parts, idPart) && s.ID.Header == "", "ID.Header must be set: Signed has {id}")
	free := 0
	for _, p := range parts {
		if p.kind == anyPart {
			free++
		}
	}
	wrong(free > 1, "Signed has several {any:…}: they could not be told apart")
	wrong(s.Batch != nil && s.Batch.Signed && s.SignatureJSON == "", "Batch.Signed needs SignatureJSON")
	return errs
}

// prepare fills in what can be known before the first request.
func (e *engine) prepare() {
	s := &e.scheme
	families := s.Families
	if len(families) == 0 {
		families = []string{""}
	}
	for _, prefix := range families {
		name := func(n string) string {
			if n == "" {
				return ""
			}
			return http.CanonicalHeaderKey(prefix + n)
		}
		f := family{
			timestamp: name(s.Timestamp.Header),
			id:        name(s.ID.Header),
			delivery:  name(s.DeliveryID.Header),
			typ:       name(s.Type.Header),
		}
		for _, h := range s.Headers {
			base, numbered := strings.CutSuffix(h, "#")
			if !numbered {
				f.signatures = append(f.signatures, name(h))
				continue
			}
			for i := range maxSignatures {
				f.signatures = append(f.signatures, name(base+strconv.Itoa(i+1)))
			}
			e.maxSignatures, e.numbered = maxSignatures, true
		}
		e.families = append(e.families, f)
	}
	if len(s.Versions) > 0 && s.Versions[0].Algorithm == Token {
		for _, f := range e.families {
			e.tokens = append(e.tokens, f.signatures...)
		}
	}
	for name, value := range s.Expect {
		e.expect = append(e.expect, expectation{name: http.CanonicalHeaderKey(name), value: value})
	}
	split := func(path string) []string {
		if path == "" {
			return nil
		}
		return strings.Split(path, ".")
	}
	for i := range e.parts {
		switch p := &e.parts[i]; p.kind {
		case idPart, methodPart, jsonPart, anyPart:
			e.strict = append(e.strict, p)
		}
	}
	e.signaturePath = split(s.SignatureJSON)
	e.timestampPath = split(s.Timestamp.JSON)
	if s.Batch != nil {
		e.batchPath = split(s.Batch.JSON)
	}
	e.hasTime = s.Timestamp != Field{}
	e.signsTimeAlone = has(e.parts, timestampPart)
	e.signsTime = e.signsTimeAlone || s.Timestamp.JSON != "" && has(e.parts, bodyPart)
	e.signsURL = has(e.parts, urlPart, decodedURLPart)
	e.signsForm = has(e.parts, formPart)
	e.signsBody = has(e.parts, bodyPart, formPart)
	e.fixedDigits = touches(e.parts, timestampPart)
	e.readsJSON = s.SignatureJSON != "" || has(e.parts, jsonPart, anyPart) ||
		s.Timestamp.JSON != "" && has(e.parts, timestampPart)
	e.signsID = e.signs(s.ID)
}

// signs reports whether what stands in f is covered by the signature.
func (e *engine) signs(f Field) bool {
	switch {
	case f.Header != "":
		return has(e.parts, idPart) && f.Header == e.scheme.ID.Header
	case f.JSON != "":
		if has(e.parts, bodyPart) {
			return true
		}
		for path := range strings.SplitSeq(f.JSON, " ") {
			if !slices.ContainsFunc(e.parts, func(p part) bool { return len(p.path) > 0 && strings.Join(p.path, ".") == path }) {
				return false
			}
		}
		return true
	}
	return false
}
