package httpsig

import (
	"bytes"
	"crypto"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
)

// DefaultMaxBody is the default of the MaxBody fields.
const DefaultMaxBody = 1 << 20

// errTooLong says that a body has more bytes than may be kept.
var errTooLong = errors.New("the body is longer than MaxBody")

// digestNames are the algorithms of Content-Digest that are good (RFC 9530,
// section 5). The others of its registry are broken or no digests at all.
var digestNames = map[string]crypto.Hash{"sha-256": crypto.SHA256, "sha-512": crypto.SHA512}

// contentDigest returns the value of a Content-Digest field (RFC 9530, section
// 2).
func contentDigest(name string, sum []byte) string { return name + "=" + bareString(sum) }

// checkDigest compares a body with what Content-Digest says of it. All digests
// that are known must be right, and there must be one.
func checkDigest(header http.Header, body []byte) error {
	d, err := parseDictionary(strings.Join(header.Values("Content-Digest"), ", "))
	if err != nil {
		return errors.New("Content-Digest is not a dictionary")
	}
	known := 0
	for _, m := range d {
		hash, ok := digestNames[m.name]
		if !ok {
			continue
		}
		known++
		h := hash.New()
		h.Write(body)
		if want, _ := m.item.value.([]byte); subtle.ConstantTimeCompare(want, h.Sum(nil)) != 1 {
			return errors.New("the body is not the one that Content-Digest was made of")
		}
	}
	if known == 0 {
		return errors.New("Content-Digest has no sha-256 and no sha-512")
	}
	return nil
}

// hasBody reports whether a body may have bytes.
func hasBody(body io.ReadCloser) bool { return body != nil && body != http.NoBody }

// takeBody reads a body, at most limit bytes, and puts a copy in its place. The
// body is closed in any case, and gone after an error.
func takeBody(body *io.ReadCloser, limit int64) ([]byte, error) {
	if !hasBody(*body) {
		return nil, nil
	}
	source := *body
	*body = http.NoBody                   // whatever happens, the source is closed here and once
	defer func() { _ = source.Close() }() // it has been read, or is of no use
	// One more than the limit must not be negative.
	limit = min(limit, math.MaxInt64-1)
	data, err := io.ReadAll(io.LimitReader(source, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	if int64(len(data)) > limit {
		return nil, errTooLong
	}
	*body = io.NopCloser(bytes.NewReader(data))
	return data, nil
}

// hashBody returns the digest of the body that req will send, and a request that
// sends it. One that GetBody can give again is read twice; another is kept in
// memory, up to limit bytes. The caller may change req, and closes its body
// after an error.
func hashBody(req *http.Request, hash crypto.Hash, limit int64) ([]byte, error) {
	h := hash.New()
	if !hasBody(req.Body) {
		return h.Sum(nil), nil
	}
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		defer func() { _ = body.Close() }() // a copy that has been read
		if _, err := io.Copy(h, body); err != nil {
			return nil, fmt.Errorf("read the body: %w", err)
		}
		return h.Sum(nil), nil
	}
	if req.ContentLength > limit {
		return nil, errTooLong
	}
	data, err := takeBody(&req.Body, limit)
	if err != nil {
		return nil, err
	}
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	h.Write(data)
	return h.Sum(nil), nil
}
