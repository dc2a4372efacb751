package sender_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/sender"
)

func newGuard(t testing.TB, c sender.GuardConfig) *sender.Guard {
	t.Helper()
	g, err := sender.NewGuard(c)
	require.NoError(t, err)
	return g
}

func TestCheckPorts(t *testing.T) {
	t.Parallel()
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr("8.8.8.8"), port) }
	for _, tt := range []struct {
		name    string
		config  sender.GuardConfig
		allowed []uint16
		refused []uint16
	}{
		{"default", sender.GuardConfig{}, []uint16{443}, []uint16{0, 22, 25, 80, 6379, 8443, 65535}},
		{"plaintext", sender.GuardConfig{DangerouslyPlaintext: true}, []uint16{80, 443}, []uint16{22, 8080}},
		{"others", sender.GuardConfig{Ports: []uint16{8443}, DangerouslyPlaintext: true}, []uint16{8443}, []uint16{80, 443}},
	} {
		g := newGuard(t, tt.config)
		for _, port := range tt.allowed {
			require.NoError(t, g.Check(at(port)), tt.name)
		}
		for _, port := range tt.refused {
			require.ErrorIs(t, g.Check(at(port)), sender.ErrBlocked, tt.name)
		}
	}
}

func TestAllowAndDeny(t *testing.T) {
	t.Parallel()
	g := newGuard(t, sender.GuardConfig{
		Deny:             []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("8.8.8.0/24"), netip.MustParsePrefix("2606:4700:64::/96")},
		DangerouslyAllow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("fe80::/10")},
	})
	for addr, allowed := range map[string]bool{
		"10.2.0.1":                 true,
		"::ffff:10.2.0.1":          true,
		"10.1.0.1":                 false,
		"::ffff:10.1.0.1":          false,
		"172.16.0.1":               false,
		"8.8.8.8":                  false,
		"8.8.4.4":                  true,
		"64:ff9b::1.1.1.1":         true,
		"64:ff9b::8.8.8.8":         false,
		"64:ff9b::10.2.0.1":        true,
		"64:ff9b::169.254.169.254": false,
		"64:ff9b::127.0.0.1":       false,
		"2606:4700:64::7f00:1":     false,
		"2606:4700:65::1":          true,
		"fe80::1":                  true,
		"fe80::1%eth0":             false,
	} {
		err := g.Check(netip.AddrPortFrom(netip.MustParseAddr(addr), 443))
		require.Equal(t, allowed, err == nil, "%s: %v", addr, err)
	}
	require.Error(t, g.Check(netip.AddrPort{}), "the zero address")
}

func TestControlFailsClosed(t *testing.T) {
	t.Parallel()
	g := newGuard(t, sender.GuardConfig{})
	require.NoError(t, g.Control("tcp4", "8.8.8.8:443", nil))
	for _, tt := range [][2]string{
		{"tcp4", ":443"},
		{"tcp4", ""},
		{"tcp4", "8.8.8.8"},
		{"tcp4", "localhost:443"},
		{"tcp4", "0177.0.0.1:443"},
		{"tcp6", "[::ffff:127.0.0.1]:443"},
		{"tcp6", "[fe80::1%25lo]:443"},
		{"tcp4", "8.8.8.8:https"},
		{"udp4", "8.8.8.8:443"},
		{"unix", "/var/run/docker.sock"},
		{"ip4:icmp", "8.8.8.8"},
		{"", "8.8.8.8:443"},
	} {
		require.ErrorIs(t, g.Control(tt[0], tt[1], nil), sender.ErrBlocked, tt)
	}
	for _, network := range []string{"udp", "unix", "ip4:icmp"} {
		_, err := g.DialContext(t.Context(), network, "8.8.8.8:443")
		require.ErrorIs(t, err, sender.ErrBlocked)
	}
}

func TestGuardConfig(t *testing.T) {
	t.Parallel()
	_, err := sender.NewGuard(sender.GuardConfig{
		Ports:            []uint16{443, 0},
		Deny:             []netip.Prefix{{}},
		DangerouslyAllow: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")},
	})
	for _, field := range []string{"GuardConfig.Ports", "GuardConfig.Deny[0]", "GuardConfig.DangerouslyAllow[0]"} {
		require.ErrorContains(t, err, field)
	}
}

// A server on loopback, which is what the guard must not reach.
func server(t *testing.T, h http.HandlerFunc) (address netip.AddrPort, hits *atomic.Int32) {
	t.Helper()
	hits = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return netip.MustParseAddrPort(s.Listener.Addr().String()), hits
}

func TestTransportReachesNobodyInside(t *testing.T) {
	t.Parallel()
	address, hits := server(t, func(http.ResponseWriter, *http.Request) {})
	g := newGuard(t, sender.GuardConfig{Ports: []uint16{address.Port()}})
	transport := g.Transport()
	require.Nil(t, transport.Proxy, "the guard would see the address of the proxy alone")
	client := &http.Client{Transport: transport}
	port := address.String()[strings.LastIndexByte(address.String(), ':'):]
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "[::]"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+port, http.NoBody)
		require.NoError(t, err)
		_, err = client.Do(req)
		require.ErrorIs(t, err, sender.ErrBlocked, host)
		if host == "localhost" {
			require.NotContains(t, err.Error(), "127.0.0.1", "what our DNS answers is not for everybody")
		}
	}
	require.Zero(t, hits.Load())
}

func TestTransportGuardsRedirects(t *testing.T) {
	t.Parallel()
	inside, hits := server(t, func(http.ResponseWriter, *http.Request) {})
	public, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:"+r.URL.Query().Get("port"), http.StatusTemporaryRedirect)
	})
	// Only the first port plays the public server.
	g := newGuard(t, sender.GuardConfig{
		Ports: []uint16{public.Port()}, DangerouslyAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	url := "http://" + public.String() + "?port=" + strings.TrimPrefix(inside.String(), "127.0.0.1:")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
	require.NoError(t, err)
	_, err = (&http.Client{Transport: g.Transport()}).Do(req)
	require.ErrorIs(t, err, sender.ErrBlocked)
	require.Zero(t, hits.Load())
}

// A name that is public when it is looked at and loopback when it is dialled.
func TestControlStopsRebinding(t *testing.T) {
	t.Parallel()
	address, hits := server(t, func(http.ResponseWriter, *http.Request) {})
	var asked atomic.Int32
	resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, peer := net.Pipe()
		go answerDNS(peer, func() [4]byte {
			if asked.Add(1) == 1 {
				return [4]byte{93, 184, 216, 34}
			}
			return [4]byte{127, 0, 0, 1}
		})
		return client, nil
	}}
	g := newGuard(t, sender.GuardConfig{Ports: []uint16{address.Port()}})
	first, err := resolver.LookupNetIP(t.Context(), "ip4", "rebind.example.com.")
	require.NoError(t, err)
	require.NoError(t, g.Check(netip.AddrPortFrom(first[0], address.Port())), "it looks well")

	d := net.Dialer{Resolver: resolver, Control: g.Control}
	_, err = d.DialContext(t.Context(), "tcp4", net.JoinHostPort("rebind.example.com.", strings.TrimPrefix(address.String(), "127.0.0.1:")))
	require.ErrorIs(t, err, sender.ErrBlocked)
	require.Zero(t, hits.Load())
	require.EqualValues(t, 2, asked.Load())
}

// answerDNS answers queries for an A record on a stream (RFC 1035, section 4).
func answerDNS(conn net.Conn, address func() [4]byte) {
	defer conn.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		end := 12
		for query[end] != 0 {
			end += 1 + int(query[end])
		}
		end += 5
		answer := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0}, query[12:end]...)
		answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		ip := address()
		answer = append(answer, ip[:]...)
		_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	}
}
