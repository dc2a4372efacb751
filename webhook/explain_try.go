package webhook

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// bodies tries what may have become of the body on its way.
func (x *Explanation) bodies(e *engine, req *http.Request, body []byte) {
	if len(body) == 0 {
		x.add(false, "body", "the body is empty: has something read it before?")
		return
	}
	if len(body) > maxExplained || !e.signsBody {
		return
	}
	try := func(text string, changed []byte) {
		if changed != nil && !bytes.Equal(changed, body) && e.would(req, changed) {
			x.add(true, "body", "the body is not the one that was signed: %s", text)
		}
	}
	bom := []byte("\ufeff")
	try("a byte order mark was added", bytes.TrimPrefix(body, bom))
	try("a byte order mark was removed", slices.Concat(bom, body))
	trimmed := bytes.TrimRight(body, "\r\n")
	try("a line break was added at its end", trimmed)
	try("a line break at its end was removed", slices.Concat(trimmed, []byte("\n")))
	try("a line break (CR LF) at its end was removed", slices.Concat(trimmed, []byte("\r\n")))
	try("line breaks were changed from CR LF to LF", bytes.ReplaceAll(trimCR(body), []byte("\n"), []byte("\r\n")))
	try("line breaks were changed from LF to CR LF", trimCR(body))
	if !json.Valid(body) {
		return
	}
	const again = "it was parsed and written again (%s): keep the bytes of the request"
	for _, form := range []struct {
		text    string
		changed []byte
	}{
		{"the original has no blanks", compact(body)},
		{"the original has blanks after commas and colons", spaced(body)},
		{"the original is indented by two", indented(body, "  ")},
		{"the original is indented by four", indented(body, "    ")},
		{"the original escapes what is not ASCII", escaped(compact(body))},
		{"the original has blanks, and escapes what is not ASCII", escaped(spaced(body))},
		{"the original escapes slashes", bytes.ReplaceAll(compact(body), []byte("/"), []byte(`\/`))},
		{"the original escapes slashes, and what is not ASCII", bytes.ReplaceAll(escaped(compact(body)), []byte("/"), []byte(`\/`))},
		{"the original escapes <, > and &", htmlEscaped(compact(body))},
		{"the original does not escape <, > and &", unescaped(body, true)},
		{"the original does not escape what is not ASCII", unescaped(body, false)},
	} {
		try(strings.Replace(again, "%s", form.text, 1), form.changed)
	}
}

func trimCR(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")) }

func compact(b []byte) []byte {
	var out bytes.Buffer
	if json.Compact(&out, b) != nil {
		return nil
	}
	return out.Bytes()
}

func indented(b []byte, indent string) []byte {
	var out bytes.Buffer
	if json.Indent(&out, b, "", indent) != nil {
		return nil
	}
	return out.Bytes()
}

func htmlEscaped(b []byte) []byte {
	var out bytes.Buffer
	json.HTMLEscape(&out, b)
	return out.Bytes()
}

// spaced writes JSON as Python does.
func spaced(b []byte) []byte {
	var out []byte
	b = compact(b)
	for i := 0; i < len(b); i++ {
		if b[i] == '"' {
			n := stringLen(b[i:])
			out = append(out, b[i:i+n]...)
			i += n - 1
			continue
		}
		out = append(out, b[i])
		if b[i] == ',' || b[i] == ':' {
			out = append(out, ' ')
		}
	}
	return out
}

// escaped writes what is not ASCII as \u escapes in lower case.
func escaped(b []byte) []byte {
	var out []byte
	for _, r := range string(b) {
		if r < 0x80 {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	return out
}

// unescaped writes \u escapes as the characters that they stand for: those that
// Go escapes for HTML, or those that are not ASCII.
func unescaped(b []byte, html bool) []byte {
	var out []byte
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i+1 == len(b) {
			out = append(out, b[i])
			continue
		}
		if n, text := unescape(b[i:], html); n > 0 {
			out = append(out, text...)
			i += n - 1
			continue
		}
		out = append(out, b[i], b[i+1])
		i++
	}
	return out
}

// unescape reads one escape, of a surrogate pair both.
func unescape(b []byte, html bool) (length int, text string) {
	for _, n := range []int{12, 6} {
		if len(b) < n || b[1] != 'u' || n == 12 && (b[6] != '\\' || b[7] != 'u') {
			continue
		}
		var s string
		if json.Unmarshal([]byte(`"`+string(b[:n])+`"`), &s) != nil || len([]rune(s)) != 1 || strings.ContainsRune(s, '\ufffd') {
			continue
		}
		if isHTML := strings.ContainsAny(s, "<>&\u2028\u2029"); html == isHTML && (isHTML || s[0] >= 0x80) {
			return n, s
		}
	}
	return 0, ""
}

// secrets tries what the secret may be in truth.
func (x *Explanation) secrets(e *engine, req *http.Request, body []byte) {
	for _, k := range e.keys {
		if k.secret == nil {
			continue
		}
		text := string(k.secret())
		try := func(what string, secret []byte, err error) {
			if err != nil || len(secret) == 0 || bytes.Equal(secret, k.secret()) {
				return
			}
			tried := *e
			tried.keys, tried.keysFor, tried.checks = []*key{{id: k.id, secret: hidden(secret)}}, nil, new(spares)
			if tried.would(req, body) {
				x.add(true, "secret", "the signature is good if key %s is taken for %s", k.id, what)
			}
		}
		bare := strings.TrimPrefix(text, "whsec_")
		decoded, err := base64.StdEncoding.DecodeString(bare)
		try("base64", decoded, err)
		decoded, err = hex.DecodeString(bare)
		try("hexadecimal", decoded, err)
		try(`the text after "whsec_"`, []byte(bare), nil)
		encoded := base64.StdEncoding.EncodeToString(k.secret())
		try("its text, undecoded", []byte(encoded), nil)
		try(`its text, undecoded, with "whsec_"`, []byte("whsec_"+encoded), nil)
		try("its text, undecoded", []byte(hex.EncodeToString(k.secret())), nil)
		try("its text, undecoded, in capitals", []byte(strings.ToUpper(hex.EncodeToString(k.secret()))), nil)
		try("a text with a line break at its end", []byte(text+"\n"), nil)
	}
}

// urls tries what the public URL may be in truth.
func (x *Explanation) urls(e *engine, req *http.Request, body []byte) {
	if !e.signsURL {
		return
	}
	hosts := []string{e.url.host + e.url.port, e.url.host, req.Host, req.Header.Get("X-Forwarded-Host")}
	_, port, _ := strings.Cut(req.Host, ":")
	if port != "" {
		hosts = append(hosts, e.url.host+":"+port)
	}
	path, query, _ := strings.Cut(e.url.rest, "?")
	rests := []string{e.url.rest, strings.TrimSuffix(path, "/"), strings.TrimSuffix(path, "/") + "/", path}
	if req.URL != nil {
		rests = append(rests, req.URL.RequestURI(), path+"?"+req.URL.RawQuery)
	}
	if query != "" {
		rests = append(rests, strings.TrimSuffix(path, "/")+"?"+query, strings.TrimSuffix(path, "/")+"/?"+query)
	}
	tried := map[string]bool{e.url.text: true}
	for _, scheme := range []string{"https", "http"} {
		for _, host := range hosts {
			for _, rest := range rests {
				text := scheme + "://" + host + rest
				u, err := parsePublicURL(text)
				if err != nil || tried[text] {
					continue
				}
				tried[text] = true
				other := *e
				other.url = u
				bare := *req
				bare.URL = &url.URL{Path: "/"} // whatever its query
				if other.would(&bare, body) {
					x.add(true, "url", "the signature is good for another URL than Config.URL: scheme %s, host %s, path %s", u.scheme, u.host+u.port, pathOf(u))
					return
				}
			}
		}
	}
}

// pathOf is the path of a URL without its query, which can hold secrets.
func pathOf(u publicURL) string {
	path, _, query := strings.Cut(u.rest, "?")
	if query {
		return path + " with a query"
	}
	return path
}
