package retry_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/retry"
)

// Frames of HTTP/2 (RFC 9113, section 6).
const (
	frameData     = 0x0
	frameHeaders  = 0x1
	frameRST      = 0x3
	frameSettings = 0x4
	frameGoAway   = 0x7

	flagEnd        = 0x1 // END_STREAM, or ACK of SETTINGS
	flagEndHeaders = 0x4
)

// h2Server speaks just enough HTTP/2 to refuse requests: answer says what is
// done about the nth request, counted over all connections from 0.
type h2Server struct {
	answer func(n int, stream uint32) []byte

	mu     sync.Mutex
	seen   int
	bodies []string // of those that were answered
}

// refuse says that the request was not and will not be processed.
func refuse(stream uint32) []byte {
	return h2Frame(frameRST, 0, stream, binary.BigEndian.AppendUint32(nil, 7))
}

// goAway says that no request of the connection was processed.
func goAway() []byte { return h2Frame(frameGoAway, 0, 0, make([]byte, 8)) }

// ok is an answer with status 200 and no body.
func ok(stream uint32) []byte {
	return h2Frame(frameHeaders, flagEnd|flagEndHeaders, stream, []byte{0x88})
}

func h2Frame(kind, flags byte, stream uint32, payload []byte) []byte {
	head := []byte{0, byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return append(binary.BigEndian.AppendUint32(head, stream), payload...)
}

// transport returns a transport whose connections lead to s.
func (s *h2Server) transport(t *testing.T) *http.Transport {
	tr := &http.Transport{
		Protocols: new(http.Protocols),
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go s.serve(server)
			return client, nil
		},
	}
	tr.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(func() {
		synctest.Wait() // until the last stream is done with
		tr.CloseIdleConnections()
	})
	return tr
}

func (s *h2Server) serve(conn net.Conn) {
	// On a pipe, each side reads only while it does not write.
	out := make(chan []byte, 64)
	defer close(out)
	go func() {
		defer conn.Close()
		for frame := range out {
			_, _ = conn.Write(frame)
		}
	}()
	preface := make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	if _, err := io.ReadFull(conn, preface); err != nil {
		return
	}
	out <- h2Frame(frameSettings, 0, 0, nil)
	bodies := map[uint32]string{}
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(conn, payload); err != nil {
			return
		}
		kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		if kind == frameSettings && flags&flagEnd == 0 {
			out <- h2Frame(frameSettings, flagEnd, 0, nil)
		}
		if kind == frameData {
			bodies[stream] += string(payload)
		}
		if (kind != frameHeaders && kind != frameData) || flags&flagEnd == 0 {
			continue
		}
		out <- s.finish(stream, bodies[stream])
	}
}

// finish answers a request that has arrived in full.
func (s *h2Server) finish(stream uint32, body string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	frame := s.answer(s.seen, stream)
	s.seen++
	if frame[3] == frameHeaders {
		s.bodies = append(s.bodies, body)
	}
	return frame
}

// A POST without a key is sent again when an HTTP/2 server has certainly not
// processed it, whoever of net/http and the policy does so.
func TestHTTP2NotProcessed(t *testing.T) {
	t.Parallel()
	plain := func() io.Reader { return strings.NewReader("payload") }
	oneShot := func() io.Reader { return io.MultiReader(plain()) }
	for name, tt := range map[string]struct {
		refusals int
		goAway   bool
		body     func() io.Reader
		length   int64 // of a body that can't be had again
	}{
		"REFUSED_STREAM":                            {refusals: 1, body: plain},
		"REFUSED_STREAM, no body":                   {refusals: 1, body: func() io.Reader { return nil }},
		"REFUSED_STREAM, one-shot body":             {refusals: 1, body: oneShot, length: 7},
		"REFUSED_STREAM beyond net/http's patience": {refusals: 8, body: plain},
		"GOAWAY":                {refusals: 1, goAway: true, body: plain},
		"GOAWAY, one-shot body": {refusals: 1, goAway: true, body: oneShot, length: 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &h2Server{answer: func(n int, stream uint32) []byte {
					switch {
					case n >= tt.refusals:
						return ok(stream)
					case tt.goAway:
						return goAway()
					}
					return refuse(stream)
				}}
				rt := newPolicy(t, retry.Config{Backoff: retry.Constant(time.Second)}).Wrap(s.transport(t))
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://api.example.com/charges", tt.body())
				require.NoError(t, err)
				if tt.length > 0 {
					req.ContentLength = tt.length
				}
				resp, err := rt.RoundTrip(req)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, http.StatusOK, resp.StatusCode)
				want := ""
				if req.Body != nil {
					want = "payload"
				}
				require.Equal(t, []string{want}, s.bodies)
				require.Equal(t, tt.refusals+1, s.seen)
			})
		})
	}
}

// A stream that the server resets for any other reason may have been processed.
func TestHTTP2ResetIsNotRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &h2Server{answer: func(_ int, stream uint32) []byte {
			return h2Frame(frameRST, 0, stream, binary.BigEndian.AppendUint32(nil, 2))
		}}
		rt := newPolicy(t, retry.Config{}).Wrap(s.transport(t))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://api.example.com/charges", strings.NewReader("payload"))
		require.NoError(t, err)
		_, err = rt.RoundTrip(req)
		require.Error(t, err)
		require.Equal(t, 1, s.seen)
	})
}
