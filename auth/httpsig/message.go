package httpsig

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// message is a request or a response as the signature base sees it.
type message struct {
	header  http.Header
	status  int      // 0 for a request
	request *message // of a response; nil if it is not known

	// Of a request.
	method, scheme, host string
	target               string // path and query as they are sent
	length               int64

	dictionaries map[string]dictionary // the fields that were read as such
}

// outgoing is a request that is going to be sent.
func outgoing(req *http.Request) (*message, error) {
	if req.URL == nil || req.URL.Opaque != "" {
		return nil, errors.New("the URL has no path of its own")
	}
	m := &message{
		header: req.Header, method: req.Method, scheme: strings.ToLower(req.URL.Scheme),
		host: req.Host, target: req.URL.RequestURI(), length: req.ContentLength,
	}
	if !strings.HasPrefix(m.target, "/") {
		return nil, errors.New("the path does not begin with a slash")
	}
	if m.method == "" {
		m.method = http.MethodGet
	}
	if m.host == "" {
		m.host = req.URL.Host
	}
	return m, m.checkLine()
}

// checkLine refuses control characters in what is not a field: a line end would
// make another signature base.
func (m *message) checkLine() error {
	if strings.ContainsFunc(m.method+m.target, unicode.IsControl) {
		return errors.New("the method or the URL has control characters")
	}
	return nil
}

// incoming is a request that a server got. Scheme is "" if the connection tells
// it.
func incoming(req *http.Request, scheme string) (*message, error) {
	if req.RequestURI == "" {
		return outgoing(req)
	}
	if scheme == "" {
		scheme = "http"
		if req.TLS != nil {
			scheme = "https"
		}
	}
	m := &message{header: req.Header, method: req.Method, scheme: scheme, host: req.Host, target: req.RequestURI, length: req.ContentLength}
	if !strings.HasPrefix(m.target, "/") {
		// The form that proxies get has the whole URL in it.
		u, err := url.ParseRequestURI(m.target)
		if err != nil || u.Host == "" || u.Opaque != "" {
			return nil, errors.New("the request target is not a path")
		}
		m.target = u.RequestURI()
	}
	return m, m.checkLine()
}

// component returns the value of one component (RFC 9421, section 2).
func (m *message) component(c item) (string, error) {
	if _, ok := c.params.get("req"); ok {
		if m.status == 0 || m.request == nil {
			return "", errors.New("there is no request that the message answers")
		}
		m = m.request
	}
	name, _ := c.value.(string)
	if !strings.HasPrefix(name, "@") {
		return m.field(name, c.params)
	}
	if name == "@status" {
		if m.status == 0 {
			return "", errors.New("a request has no status")
		}
		return strconv.Itoa(m.status), nil
	}
	if m.status != 0 {
		return "", errors.New("only a request has it")
	}
	return m.derived(name, c.params)
}

func (m *message) derived(name string, ps params) (string, error) {
	path, query, hasQuery := strings.Cut(m.target, "?")
	switch name {
	case "@method":
		return m.method, nil
	case "@scheme":
		return m.scheme, m.checkScheme()
	case "@authority":
		return m.authority()
	case "@path":
		return path, nil
	case "@query":
		return "?" + query, nil
	case "@request-target":
		return m.target, nil
	case "@target-uri":
		authority, err := m.authority()
		if hasQuery {
			query = "?" + query
		}
		return m.scheme + "://" + authority + path + query, err
	case "@query-param":
		wanted, _ := ps.get("name")
		s, _ := wanted.(string)
		return queryParam(query, s)
	}
	return "", errors.New("is unknown")
}

func (m *message) checkScheme() error {
	if m.scheme != "http" && m.scheme != "https" {
		return errors.New("the scheme is not http or https")
	}
	return nil
}

// authority returns the host in its normal form (RFC 9421, section 2.2.3): in
// lower case and without the default port of the scheme.
func (m *message) authority() (string, error) {
	for i := range len(m.host) {
		// net/http sends another spelling of such a host than we would sign. The
		// small letters of some that are not ASCII are.
		if c := m.host[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("/?#@\\%", c) >= 0 {
			return "", errors.New("the host is not in the form that is sent")
		}
	}
	host := strings.ToLower(m.host)
	switch m.scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	if host = strings.TrimSuffix(host, ":"); host == "" {
		return "", errors.New("there is no host")
	}
	return host, m.checkScheme()
}

// queryParam returns the one value of a parameter (RFC 9421, section 2.2.8),
// percent-encoded. Both name and value are decoded and encoded again, so that
// it does not matter how they were spelt.
func queryParam(query, name string) (string, error) {
	found, value := false, ""
	for pair := range strings.SplitSeq(query, "&") {
		k, v, _ := strings.Cut(pair, "=")
		k, err := url.QueryUnescape(k)
		if err != nil {
			return "", errors.New("the query is not well encoded")
		}
		if pair == "" || encodeParam(k) != name {
			continue
		}
		if found {
			return "", errors.New("the query has it twice: sign @query")
		}
		if v, err = url.QueryUnescape(v); err != nil {
			return "", errors.New("the query is not well encoded")
		}
		found, value = true, encodeParam(v)
	}
	if !found {
		return "", errors.New("the query has none")
	}
	return value, nil
}

// encodeParam encodes all but the bytes that forms leave as they are.
func encodeParam(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; isAlpha(c) || isDigit(c) || strings.IndexByte("*-._", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// field returns the value of a field (RFC 9421, section 2.1).
func (m *message) field(name string, ps params) (string, error) {
	values, err := m.values(name)
	if err != nil {
		return "", err
	}
	if _, ok := ps.get("bs"); ok {
		for i, v := range values {
			values[i] = ":" + base64.StdEncoding.EncodeToString([]byte(v)) + ":"
		}
		return strings.Join(values, ", "), nil
	}
	joined := strings.Join(values, ", ")
	for i := range len(joined) {
		if joined[i] >= 0x80 {
			return "", errors.New("the field is not ASCII: use bs")
		}
	}
	key, hasKey := ps.get("key")
	_, sf := ps.get("sf")
	if !hasKey && !sf {
		return joined, nil
	}
	d, err := m.dictionary(name, joined)
	if err != nil {
		return "", err
	}
	if !hasKey {
		return d.String(), nil
	}
	s, _ := key.(string)
	it, ok := d.get(s)
	if !ok {
		return "", errors.New("the dictionary has no such key")
	}
	return it.String(), nil
}

// dictionary reads a field. It does so once: signatures can name a field many
// times, each for another key, and a stranger may have made both.
func (m *message) dictionary(name, value string) (dictionary, error) {
	if d, ok := m.dictionaries[name]; ok {
		return d, nil
	}
	if len(value) > maxFieldBytes {
		return nil, errors.New("the dictionary is too long")
	}
	d, err := parseDictionary(value)
	if err != nil {
		return nil, errors.New("the field is not a dictionary")
	}
	if m.dictionaries == nil {
		m.dictionaries = make(map[string]dictionary)
	}
	m.dictionaries[name] = d
	return d, nil
}

// values returns the lines of a field, each without space around it and with
// folded lines unfolded.
func (m *message) values(name string) ([]string, error) {
	lines := m.header.Values(name)
	// net/http keeps these two elsewhere, and does not send what the header has.
	switch {
	case name == "host" && m.host != "":
		lines = []string{m.host}
	case name == "content-length" && m.status == 0 && m.length > 0:
		lines = []string{strconv.FormatInt(m.length, 10)}
	case len(lines) == 0:
		return nil, errors.New("there is no such field")
	}
	values := make([]string, 0, len(lines))
	for _, line := range lines {
		v := unfold(line)
		// A line end or a foreign byte would make another signature base.
		if strings.ContainsAny(v, "\r\n\x00") {
			return nil, errors.New("the field has a byte that no field may have")
		}
		values = append(values, v)
	}
	return values, nil
}

// unfold removes the space around a value, and turns an obsolete line folding
// into one space.
func unfold(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	parts := strings.Split(s, "\n")
	for i, p := range parts {
		if i > 0 && (p == "" || p[0] != ' ' && p[0] != '\t') {
			return s // not a folding: the caller refuses it
		}
		parts[i] = strings.Trim(p, " \t")
	}
	return strings.Join(parts, " ")
}

// base returns the signature base (RFC 9421, section 2.5).
func (m *message) base(covered item) ([]byte, error) {
	list, _ := covered.value.([]item)
	var b strings.Builder
	for i, c := range list {
		if err := checkComponent(c); err != nil {
			return nil, fmt.Errorf("component %s %w", c, err)
		}
		if contains(list[:i], c) {
			return nil, fmt.Errorf("component %s is there twice", c)
		}
		value, err := m.component(c)
		if err != nil {
			return nil, fmt.Errorf("component %s: %w", c, err)
		}
		b.WriteString(c.String() + ": " + value + "\n")
	}
	b.WriteString(`"@signature-params": ` + covered.String())
	return []byte(b.String()), nil
}
