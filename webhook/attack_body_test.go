package webhook_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

// endless is a body without an end.
type endless struct{ read int }

func (e *endless) Read(b []byte) (int, error) {
	e.read += len(b)
	return len(b), nil
}
func (*endless) Close() error { return nil }

func TestAttackEndlessBody(t *testing.T) {
	t.Parallel()
	body := &endless{}
	req := github("")
	req.Body, req.ContentLength = body, -1
	w := serve(receiver(t, func(c *webhook.ReceiverConfig) { c.MaxBody = 1000 }).Handler(ok), req)
	require.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
	require.LessOrEqual(t, body.read, 1001)
}

// Who announces too much is not even told to go on.
func TestAttackExpectContinue(t *testing.T) {
	t.Parallel()
	for length, want := range map[string]string{"5": "HTTP/1.1 100 Continue\r\n", "2000": "HTTP/1.1 413 Request Entity Too Large\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			srv := &http.Server{Handler: receiver(t, func(c *webhook.ReceiverConfig) {
				c.MaxBody, c.DangerouslyAllowHTTP = 1000, true
			}).Handler(ok)}
			go func() { _ = srv.Serve(&oneListener{conn: server, closed: make(chan struct{})}) }()
			go func() {
				_, _ = io.WriteString(client, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: "+length+"\r\n\r\n")
			}()
			line, err := bufio.NewReader(client).ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, want, line)
			_ = client.Close()
			_ = srv.Close()
			time.Sleep(time.Minute)
		})
	}
}

// crcPatch returns four bytes which, after prefix, make the CRC-32 want.
func crcPatch(prefix []byte, want uint32) []byte {
	table := crc32.IEEETable
	// Backwards from the state at the end: each step is told by its top byte.
	state := ^want
	var index [4]byte
	for i := 3; i >= 0; i-- {
		for n, entry := range table {
			if entry>>24 == state>>24 {
				index[i] = byte(n)
				state = (state ^ entry) << 8
				break
			}
		}
	}
	patch := make([]byte, 4)
	state = ^crc32.ChecksumIEEE(prefix)
	for i := range patch {
		patch[i] = index[i] ^ byte(state)
		state = table[index[i]] ^ state>>8
	}
	return patch
}

// PayPal signs the CRC-32 of the body. There is another body for each, so the
// result says that the body was not signed.
func TestAttackPayPalCollision(t *testing.T) {
	t.Parallel()
	p := preset{scheme: webhook.PayPal("8PT597110X687430LKGECATA"), body: `{"id":"WH-1","amount":"1.00"}`}
	v, req, body := p.signed(t)
	first, err := v.Verify(req, body)
	require.NoError(t, err)
	forged := []byte(`{"id":"WH-1","amount":"9999.00"} `)
	forged = append(forged, crcPatch(forged, crc32.ChecksumIEEE(body))...)
	require.Equal(t, crc32.ChecksumIEEE(body), crc32.ChecksumIEEE(forged))
	second, err := v.Verify(req, forged)
	require.NoError(t, err, "the scheme cannot tell")
	require.False(t, second.BodySigned)
	require.Equal(t, first.ID(), second.ID())
	require.Equal(t, first.Fingerprint(), second.Fingerprint(), "a second use of the signature shows")
}

func TestAttackWrongCurve(t *testing.T) {
	t.Parallel()
	for _, curve := range []elliptic.Curve{elliptic.P224(), elliptic.P384(), elliptic.P521()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(t, err)
		_, err = webhook.New(webhook.Config{Scheme: webhook.SendGrid(), Keys: []webhook.Key{{Public: k.Public()}}})
		require.Error(t, err, curve.Params().Name)
	}
}

// Whatever kind of body it is, its bytes are handed on.
func TestAttackContentTypeLies(t *testing.T) {
	t.Parallel()
	for media, body := range map[string]string{
		"application/json":                    "a=b&c=d",
		"application/x-www-form-urlencoded":   `{"a":1}`,
		"multipart/form-data; boundary=x":     "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n",
		"text/plain; charset=utf-16":          "\xff\xfea\x00",
		"application/json; charset=\x00\"'\\": "{}",
	} {
		req := github(body)
		req.Header.Set("Content-Type", media)
		var got []byte
		w := serve(receiver(t, nil).Handler(func(_ context.Context, e []webhook.Event) error {
			got = e[0].Body
			return nil
		}), req)
		require.Equal(t, http.StatusNoContent, w.Code)
		require.Equal(t, body, string(got))
	}
}

func TestEncodingsAndAlgorithms(t *testing.T) {
	t.Parallel()
	for _, encoding := range []webhook.Encoding{webhook.Hex, webhook.HexUpper, webhook.Base64, webhook.Base64URL, webhook.RawBase64, webhook.RawBase64URL} {
		for _, algorithm := range []webhook.Algorithm{webhook.HMACSHA1, webhook.HMACSHA256, webhook.HMACSHA512, webhook.Ed25519, webhook.ECDSA} {
			scheme := webhook.Scheme{
				Name: "any", Headers: []string{"X-Signature"}, Versions: []webhook.Version{{Algorithm: algorithm}}, Encoding: encoding,
				Signed: "{method} {url} {body}",
			}
			s, err := webhooktest.New(webhooktest.Config{Scheme: scheme})
			require.NoError(t, err)
			v, err := webhook.New(webhook.Config{Scheme: scheme, Keys: []webhook.Key{s.Key()}, URL: hookURL})
			require.NoError(t, err)
			req, err := s.Request(hookURL, []byte("hello"), now)
			require.NoError(t, err)
			_, err = v.Verify(req, []byte("hello"))
			require.NoError(t, err, "%v %v", encoding, algorithm)
			_, err = v.Verify(req, []byte("hallo"))
			require.ErrorIs(t, err, webhook.ErrBadSignature)
			signature := req.Header.Get("X-Signature")
			for _, other := range []string{strings.ToUpper(signature), strings.ToLower(signature), signature + "=", strings.TrimRight(signature, "="), signature + "\n"} {
				if other == signature {
					continue
				}
				req.Header.Set("X-Signature", other)
				_, err = v.Verify(req, []byte("hello"))
				require.Error(t, err, "one signature has one text")
			}
			require.NotEmpty(t, algorithm.String())
		}
	}
	require.Equal(t, "no algorithm", webhook.Algorithm(0).String())
	require.Equal(t, "token", webhook.Token.String())
}
