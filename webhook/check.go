package webhook

import (
	"math"
	"net/http"
	"strings"
	"time"
)

// A check is the checking of one request. It is used again for others, with its
// buffers and the states of its MACs.
type check struct {
	engine *engine
	req    *http.Request
	body   []byte
	doc    document // of body, if the engine reads it
	family *family

	candidates []candidate
	timestamp  string // as it came
	signedAt   time.Time
	clock      time.Time // when it was last asked, see age
	item       string    // what Timestamp.Item found
	id         string    // as it came, if it is in the header
	urls       []string  // the URL that may have been signed
	url        string    // the one that is tried
	form       []byte

	macs            []mac // per key and version
	buf, want, have []byte
}

// A candidate is a signature in a request.
type candidate struct {
	version int
	text    string
}

// read finds in the request all that the check needs, and is strict about it.
func (c *check) read() error {
	e := c.engine
	if e.readsJSON && c.doc == nil {
		doc, err := parseJSON(c.body)
		if err != nil {
			return e.refuse(ErrMalformed, err.Error())
		}
		c.doc = doc
	}
	if err := c.chooseFamily(); err != nil {
		return err
	}
	for i := range e.expect {
		if values := c.req.Header[e.expect[i].name]; len(values) > 0 && (len(values) > 1 || values[0] != e.expect[i].value) {
			return e.refuse(ErrMalformed, "a header field does not have the value that it must have")
		}
	}
	if err := c.readSignatures(); err != nil {
		return err
	}
	if err := c.readFields(); err != nil {
		return err
	}
	if e.signsURL {
		if err := c.readURL(); err != nil {
			return err
		}
	}
	if e.signsForm {
		return c.readForm()
	}
	return nil
}

// chooseFamily finds the names by which the request is read.
func (c *check) chooseFamily() error {
	e := c.engine
	c.family = &e.families[0]
	if len(e.families) == 1 {
		return nil
	}
	for i := range e.families {
		if e.families[i].complete(c.req.Header) {
			c.family = &e.families[i]
			break
		}
	}
	for i := range e.families {
		if other := &e.families[i]; other != c.family && other.contradicts(c.family, c.req.Header) {
			return e.refuse(ErrMalformed, "the headers are of two kinds and say different things")
		}
	}
	return nil
}

func (f *family) complete(h http.Header) bool {
	for _, name := range f.signatures {
		if len(h[name]) == 0 {
			return false
		}
	}
	return len(h[f.timestamp]) > 0 && len(h[f.id]) > 0
}

// contradicts reports whether the request has a field of f that does not say
// the same as that of the chosen family.
func (f *family) contradicts(chosen *family, h http.Header) bool {
	differ := func(a, b string) bool {
		return len(h[a]) > 0 && strings.Join(h[a], ",") != strings.Join(h[b], ",")
	}
	for i, name := range f.signatures {
		if differ(name, chosen.signatures[i]) {
			return true
		}
	}
	return differ(f.timestamp, chosen.timestamp) || differ(f.id, chosen.id)
}

// readSignatures collects the candidates.
func (c *check) readSignatures() error {
	e := c.engine
	c.candidates = c.candidates[:0]
	if e.signaturePath != nil {
		text, ok := c.doc.textAt(e.signaturePath)
		if !ok {
			return e.refuse(ErrMalformed, errDuplicate.Error())
		}
		if err := c.addItem(text); err != nil {
			return err
		}
	}
	for _, name := range c.family.signatures {
		lines := c.req.Header[name]
		if len(lines) == 0 && c.engine.numbered {
			break // the numbers have no gaps
		}
		for _, line := range lines {
			if err := c.addItems(line); err != nil {
				return err
			}
		}
	}
	if len(c.candidates) == 0 {
		return e.refuse(ErrNoSignature, "")
	}
	return nil
}

// addItems divides a line of a signature header.
func (c *check) addItems(line string) error {
	separator := c.engine.scheme.Separator
	for line != "" {
		var n int
		switch separator {
		case " ":
			n = strings.IndexByte(line, ' ')
		case ";":
			n = strings.IndexAny(line, ",;")
		default:
			n = strings.IndexByte(line, ',')
		}
		if n < 0 {
			n = len(line)
		}
		item := line[:n]
		line = line[min(n+1, len(line)):]
		for separator == " " && strings.HasSuffix(item, ",") {
			item = item[:len(item)-1]
		}
		if err := c.addItem(trimBlanks(item)); err != nil {
			return err
		}
	}
	return nil
}

// trimBlanks is strings.Trim for blanks and tabs, and cheaper.
func trimBlanks(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// addItem takes an item for what it is. What it does not know it leaves alone.
func (c *check) addItem(item string) error {
	e := c.engine
	if item == "" {
		return nil
	}
	if prefix := e.scheme.Timestamp.Item; prefix != "" && strings.HasPrefix(item, prefix) {
		if c.item != "" {
			return e.refuse(ErrMalformed, "the signature header has two timestamps")
		}
		c.item = item[len(prefix):]
		return nil
	}
	for i, v := range e.scheme.Versions {
		if !strings.HasPrefix(item, v.Prefix) || len(item) == len(v.Prefix) {
			continue
		}
		if len(c.candidates) == e.maxSignatures {
			return e.refuse(ErrMalformed, "there are too many signatures")
		}
		c.candidates = append(c.candidates, candidate{version: i, text: item[len(v.Prefix):]})
	}
	return nil
}

// maxID bounds what is taken for an ID.
const maxID = 256

// readFields reads the timestamp and the ID.
func (c *check) readFields() error {
	e := c.engine
	var err error
	if c.family.id != "" {
		if c.id, err = c.single(c.family.id); err != nil {
			return err
		}
		if !visible(c.id) || len(c.id) > maxID {
			return e.refuse(ErrMalformed, "the id is too long or not plain text")
		}
	}
	switch t := e.scheme.Timestamp; {
	case t.Header != "":
		if c.timestamp, err = c.single(c.family.timestamp); err != nil {
			return err
		}
	case t.Item != "":
		c.timestamp = c.item
	case t.JSON != "" && e.readsJSON:
		var ok bool
		if c.timestamp, ok = c.doc.textAt(e.timestampPath); !ok {
			return e.refuse(ErrMalformed, errDuplicate.Error())
		}
	}
	if e.signsTimeAlone {
		var ok bool
		if c.signedAt, ok = e.parseTime(c.timestamp); !ok {
			return e.refuse(ErrMalformed, badTimestamp)
		}
	}
	for _, p := range e.strict {
		if err := c.checkPart(p); err != nil {
			return err
		}
	}
	return nil
}

// checkPart checks the form of a piece that must have one.
func (c *check) checkPart(p *part) error {
	e := c.engine
	switch p.kind {
	case idPart:
		if c.id == "" || p.next != "" && strings.Contains(c.id, p.next) {
			return e.refuse(ErrMalformed, "the id is missing, or has a separator in it")
		}
	case methodPart:
		if !upper(c.req.Method) {
			return e.refuse(ErrMalformed, "the method is not in capitals")
		}
	case jsonPart, anyPart:
		s, ok := c.doc.textAt(p.path)
		if !ok {
			return e.refuse(ErrMalformed, errDuplicate.Error())
		}
		if p.kind == jsonPart && p.next != "" && strings.Contains(s, p.next) {
			return e.refuse(ErrMalformed, "a signed value has a separator in it")
		}
	}
	return nil
}

// single returns the value of a field that must not be there twice.
func (c *check) single(name string) (string, error) {
	switch values := c.req.Header[name]; len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", c.engine.refuse(ErrMalformed, "a header field is there twice")
}

// checkTime compares the time of the signature with that of the request. In a
// body that is signed as a whole it is read only now, when the body is known to
// be good.
func (c *check) checkTime(at time.Time) error {
	e := c.engine
	if !e.signsTimeAlone {
		text := c.timestamp
		if e.timestampPath != nil {
			doc, err := parseJSON(c.body)
			if err != nil {
				return e.refuse(ErrMalformed, err.Error())
			}
			var ok bool
			if text, ok = doc.textAt(e.timestampPath); !ok {
				return e.refuse(ErrMalformed, errDuplicate.Error())
			}
		}
		var ok bool
		if c.signedAt, ok = e.parseTime(text); !ok {
			return e.refuse(ErrMalformed, badTimestamp)
		}
	}
	age := c.age(at)
	switch {
	case e.maxAge >= 0 && age > e.maxAge:
		return &Error{Scheme: e.scheme.Name, Reason: ErrTooOld, Skew: age}
	case e.maxSkew >= 0 && age < -e.maxSkew: // -age could overflow
		return &Error{Scheme: e.scheme.Name, Reason: ErrTooNew, Skew: age}
	}
	return nil
}

// clockInterval is how long a change of the system's clock may go unseen.
const clockInterval = 100 * time.Millisecond

// age is how old the signature is at that time, now if it is zero. For the
// present it reads one clock where time.Now reads two, if the last request came
// a moment ago.
func (c *check) age(at time.Time) time.Duration {
	if !at.IsZero() {
		return at.Sub(c.signedAt)
	}
	since := time.Since(c.clock)
	if since < 0 || since >= clockInterval {
		c.clock, since = time.Now(), 0
	}
	// Times have few enough digits for the first difference; see parseTime.
	seconds := c.clock.Unix() - c.signedAt.Unix()
	if seconds < -maxSeconds || seconds > maxSeconds {
		return c.clock.Sub(c.signedAt)
	}
	return time.Duration(seconds*1e9+int64(c.clock.Nanosecond()-c.signedAt.Nanosecond())) + since
}

// maxSeconds is how far apart times can be whose difference is a Duration.
const maxSeconds = math.MaxInt64/1_000_000_000 - 1

const badTimestamp = "the timestamp is missing, or not in the provider's form"

// visible reports whether s is ASCII without blanks and control characters.
func visible(s string) bool {
	const ones, tops = 0x0101_0101_0101_0101, 0x8080_8080_8080_8080
	for ; len(s) >= 8; s = s[8:] {
		// The top bit of a byte gets set by what is above it, or below.
		if w := word(s); (w|(w+ones)|(w-'!'*ones))&tops != 0 {
			return false
		}
	}
	for i := range len(s) {
		if s[i] < '!' || s[i] > '~' {
			return false
		}
	}
	return true
}

func upper(s string) bool {
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return s != ""
}
