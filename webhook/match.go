package webhook

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1" // #nosec G505 -- the providers' choice; HMAC does not need collision resistance
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"strconv"
)

// A mac is the state of an HMAC for one key and one version.
type mac struct{ hash hash.Hash }

// match returns the first key that a signature fits, nil if there is none.
// It tries all keys on all signatures, whatever it finds.
func (c *check) match(keys []*key) *key {
	if len(keys) == 0 {
		if c.engine.scheme.Versions[0].Algorithm.secret() {
			c.fits(decoy(), 0)
		}
		return nil
	}
	var found *key
	for i, k := range keys {
		if c.fits(k, i) && found == nil {
			found = k
		}
	}
	return found
}

// fits reports whether one of the candidates was made with k, the key with the
// number i.
func (c *check) fits(k *key, i int) bool {
	e := c.engine
	ok := false
	tries := max(1, len(c.urls))
	for try := range tries {
		if len(c.urls) > 0 {
			c.url = c.urls[try]
		}
		for n := range e.scheme.Versions {
			v := &e.scheme.Versions[n]
			if !k.suits(v.Algorithm) || !c.hasVersion(n) {
				continue
			}
			var fit bool
			switch v.Algorithm {
			case HMACSHA256, HMACSHA1, HMACSHA512:
				c.sum(k, i*len(e.scheme.Versions)+n, v.Algorithm)
				fit = c.equalsAny(n)
			case Token:
				fit = c.tokenFits(k, n)
			default:
				fit = c.publicFits(k, n)
			}
			ok = fit || ok
		}
	}
	return ok
}

func (c *check) hasVersion(n int) bool {
	for i := range c.candidates {
		if c.candidates[i].version == n {
			return true
		}
	}
	return false
}

// sum computes the signature that k makes, encoded, into c.want.
func (c *check) sum(k *key, slot int, a Algorithm) {
	for len(c.macs) <= slot {
		c.macs = append(c.macs, mac{})
	}
	m := &c.macs[slot]
	if m.hash == nil || c.engine.keysFor != nil {
		m.hash = newHMAC(a, k.secret())
	}
	m.hash.Reset()
	c.writeTo(m.hash)
	c.have = m.hash.Sum(c.have[:0])
	c.want = c.engine.scheme.Encoding.append(c.want[:0], c.have)
}

func newHMAC(a Algorithm, secret []byte) hash.Hash {
	switch a {
	case HMACSHA1:
		return hmac.New(sha1.New, secret)
	case HMACSHA512:
		return hmac.New(sha512.New, secret)
	}
	return hmac.New(sha256.New, secret)
}

// equalsAny compares c.want with each candidate of a version. What is compared
// is the text, so that one signature has one form only.
func (c *check) equalsAny(version int) bool {
	equal := false
	for i := range c.candidates {
		if c.candidates[i].version == version {
			equal = sameText(c.want, c.candidates[i].text) || equal
		}
	}
	return equal
}

// sameText is subtle.ConstantTimeCompare for a string, eight bytes at a time,
// which is faster and needs no copy. What it does depends on the lengths alone.
func sameText(want []byte, have string) bool {
	if len(want) != len(have) {
		return false
	}
	var differ uint64
	for len(want) >= 8 && len(have) >= 8 { // the second spares the bounds checks
		differ |= binary.LittleEndian.Uint64(want) ^ word(have)
		want, have = want[8:], have[8:]
	}
	for i := range want {
		differ |= uint64(want[i] ^ have[i])
	}
	return differ == 0
}

// word returns the first eight bytes of a text, which has so many, by one load.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// tokenFits compares hashes, so that not even the length of the secret shows.
func (c *check) tokenFits(k *key, version int) bool {
	want := sha256.Sum256(k.secret())
	equal := 0
	for i := range c.candidates {
		if c.candidates[i].version == version {
			have := sha256.Sum256([]byte(c.candidates[i].text))
			equal |= subtle.ConstantTimeCompare(want[:], have[:])
		}
	}
	return equal == 1
}

// maxSignature is the longest signature that a key can make, one of RSA with
// 16384 bits.
const maxSignature = 2048

// publicFits checks the candidates with a public key.
func (c *check) publicFits(k *key, version int) bool {
	var digest [sha256.Size]byte
	if _, ok := k.public.(ed25519.PublicKey); ok {
		c.buf = c.appendSigned(c.buf[:0])
	} else {
		h := sha256.New()
		c.writeTo(h)
		h.Sum(digest[:0])
	}
	fits := false
	for i := range c.candidates {
		if c.candidates[i].version != version || len(c.candidates[i].text) > 2*maxSignature {
			continue
		}
		signature, ok := c.decode(c.candidates[i].text)
		if !ok {
			continue
		}
		switch public := k.public.(type) {
		case ed25519.PublicKey:
			fits = len(signature) == ed25519.SignatureSize && ed25519.Verify(public, c.buf, signature) || fits
		case *ecdsa.PublicKey:
			fits = ecdsa.VerifyASN1(public, digest[:], signature) || fits
		case *rsa.PublicKey:
			fits = rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil || fits
		}
	}
	return fits
}

// decode reads a signature that has the one form that its bytes have.
func (c *check) decode(text string) ([]byte, bool) {
	e := c.engine.scheme.Encoding
	var err error
	if c.have, err = e.decode(c.have[:0], text); err != nil {
		return nil, false
	}
	c.want = e.append(c.want[:0], c.have)
	return c.have, string(c.want) == text
}

// writeTo writes what is signed, in few pieces.
func (c *check) writeTo(h hash.Hash) {
	buf := c.buf[:0]
	for i := range c.engine.parts {
		switch p := &c.engine.parts[i]; p.kind {
		case constantPart:
			buf = append(buf, p.text...)
		case bodyPart:
			rest := c.body
			if len(buf) > 0 {
				// Up to the end of a block, so that the hash need not put its
				// blocks together.
				n := min(-len(buf)&(sha256.BlockSize-1), len(rest))
				buf = append(buf, rest[:n]...)
				h.Write(buf)
				buf, rest = buf[:0], rest[n:]
			}
			h.Write(rest)
		default:
			buf = c.appendPart(buf, p)
		}
	}
	if len(buf) > 0 {
		h.Write(buf)
	}
	c.buf = buf[:0]
}

// appendSigned appends what is signed.
func (c *check) appendSigned(b []byte) []byte {
	for i := range c.engine.parts {
		b = c.appendPart(b, &c.engine.parts[i])
	}
	return b
}

// signedContent is what is signed beside the time, each piece ended by a zero.
func (c *check) signedContent() []byte {
	var b []byte
	for i := range c.engine.parts {
		if p := &c.engine.parts[i]; p.kind != timestampPart && p.kind != constantPart {
			b = append(c.appendPart(b, p), 0)
		}
	}
	return b
}

func (c *check) appendPart(b []byte, p *part) []byte {
	switch p.kind {
	case constantPart:
		return append(b, p.text...)
	case bodyPart:
		return append(b, c.body...)
	case timestampPart:
		return append(b, c.timestamp...)
	case idPart:
		return append(b, c.id...)
	case methodPart:
		return append(b, c.req.Method...)
	case urlPart, decodedURLPart:
		return append(b, c.url...)
	case formPart:
		return append(b, c.form...)
	case crcPart:
		return strconv.AppendUint(b, uint64(crc32.ChecksumIEEE(c.body)), 10)
	case jsonPart, anyPart:
		s, _ := c.doc.textAt(p.path)
		return append(b, s...)
	}
	return b
}

// append appends src, encoded.
func (e Encoding) append(dst, src []byte) []byte {
	switch e {
	case HexUpper:
		n := len(dst)
		dst = hex.AppendEncode(dst, src)
		for i := n; i < len(dst); i++ {
			if dst[i] >= 'a' {
				dst[i] -= 'a' - 'A'
			}
		}
		return dst
	case Base64:
		return base64.StdEncoding.AppendEncode(dst, src)
	case Base64URL:
		return base64.URLEncoding.AppendEncode(dst, src)
	case RawBase64:
		return base64.RawStdEncoding.AppendEncode(dst, src)
	case RawBase64URL:
		return base64.RawURLEncoding.AppendEncode(dst, src)
	}
	return hex.AppendEncode(dst, src)
}

// decode appends the bytes of text. It is lenient: see check.decode.
func (e Encoding) decode(dst []byte, text string) ([]byte, error) {
	src := []byte(text)
	switch e {
	case Base64:
		return base64.StdEncoding.AppendDecode(dst, src)
	case Base64URL:
		return base64.URLEncoding.AppendDecode(dst, src)
	case RawBase64:
		return base64.RawStdEncoding.AppendDecode(dst, src)
	case RawBase64URL:
		return base64.RawURLEncoding.AppendDecode(dst, src)
	}
	return hex.AppendDecode(dst, src)
}
