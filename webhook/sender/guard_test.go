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

// addresses has one of each network, and those beside its ends. An empty reason
// means that it is public.
var addresses = []struct{ addr, reason string }{
	{"0.0.0.0", "this host or network (RFC 791)"},
	{"0.255.255.255", "this host or network (RFC 791)"},
	{"1.0.0.0", ""},
	{"1.1.1.1", ""},
	{"8.8.8.8", ""},
	{"9.255.255.255", ""},
	{"10.0.0.0", "private use (RFC 1918)"},
	{"10.255.255.255", "private use (RFC 1918)"},
	{"11.0.0.0", ""},
	{"93.184.216.34", ""},
	{"100.63.255.255", ""},
	{"100.64.0.0", "shared by a carrier's NAT (RFC 6598)"},
	{"100.100.100.200", "a metadata service"},
	{"100.127.255.255", "shared by a carrier's NAT (RFC 6598)"},
	{"100.128.0.0", ""},
	{"126.255.255.255", ""},
	{"127.0.0.1", "loopback (RFC 1122)"},
	{"127.255.255.255", "loopback (RFC 1122)"},
	{"128.0.0.0", ""},
	{"168.63.129.15", ""},
	{"168.63.129.16", "a metadata service"},
	{"168.63.129.17", ""},
	{"169.253.255.255", ""},
	{"169.254.0.0", "link-local (RFC 3927)"},
	{"169.254.169.254", "a metadata service"},
	{"169.254.170.2", "link-local (RFC 3927)"},
	{"169.254.255.255", "link-local (RFC 3927)"},
	{"169.255.0.0", ""},
	{"172.15.255.255", ""},
	{"172.16.0.0", "private use (RFC 1918)"},
	{"172.31.255.255", "private use (RFC 1918)"},
	{"172.32.0.0", ""},
	{"191.255.255.255", ""},
	{"192.0.0.0", "protocol assignments (RFC 6890)"},
	{"192.0.0.192", "a metadata service"},
	{"192.0.0.255", "protocol assignments (RFC 6890)"},
	{"192.0.1.0", ""},
	{"192.0.2.1", "documentation (RFC 5737)"},
	{"192.0.3.0", ""},
	{"192.31.196.1", "AS112 (RFC 7535)"},
	{"192.52.193.1", "AMT relays (RFC 7450)"},
	{"192.88.98.255", ""},
	{"192.88.99.1", "6to4 relays (RFC 7526)"},
	{"192.88.100.0", ""},
	{"192.167.255.255", ""},
	{"192.168.0.0", "private use (RFC 1918)"},
	{"192.168.255.255", "private use (RFC 1918)"},
	{"192.169.0.0", ""},
	{"192.175.48.1", "AS112 (RFC 7534)"},
	{"198.17.255.255", ""},
	{"198.18.0.0", "benchmarks (RFC 2544)"},
	{"198.19.255.255", "benchmarks (RFC 2544)"},
	{"198.20.0.0", ""},
	{"198.51.100.1", "documentation (RFC 5737)"},
	{"203.0.113.255", "documentation (RFC 5737)"},
	{"203.0.114.0", ""},
	{"223.255.255.255", ""},
	{"224.0.0.1", "multicast (RFC 5771)"},
	{"239.255.255.255", "multicast (RFC 5771)"},
	{"240.0.0.0", "reserved (RFC 1112)"},
	{"255.255.255.254", "reserved (RFC 1112)"},
	{"255.255.255.255", "broadcast (RFC 919)"},

	{"::", "unspecified (RFC 4291)"},
	{"::1", "loopback (RFC 4291)"},
	{"::7f00:1", "IPv4-compatible (RFC 4291)"},
	{"::ffff:8.8.8.8", ""},
	{"::ffff:127.0.0.1", "loopback (RFC 1122)"},
	{"::ffff:a9fe:a9fe", "a metadata service"},
	{"::ffff:10.1.2.3", "private use (RFC 1918)"},
	{"::ffff:0:127.0.0.1", "IPv4-translated (RFC 2765)"},
	{"64:ff9b::8.8.8.8", "NAT64 (RFC 6052)"},
	{"64:ff9b::169.254.169.254", "NAT64 (RFC 6052)"},
	{"64:ff9b:1::a00:1", "NAT64 (RFC 8215)"},
	{"64:ff9b:2::1", "not global unicast (RFC 4291)"},
	{"100::1", "discard (RFC 6666)"},
	{"100:0:0:1::1", "dummy (RFC 9780)"},
	{"1fff:ffff::1", "not global unicast (RFC 4291)"},
	{"2001::1", "Teredo (RFC 4380)"},
	{"2001:1::1", "protocol assignments (RFC 2928)"},
	{"2001:2::1", "benchmarks (RFC 5180)"},
	{"2001:10::1", "ORCHID (RFC 4843)"},
	{"2001:20::1", "ORCHIDv2 (RFC 7343)"},
	{"2001:1ff:ffff::1", "protocol assignments (RFC 2928)"},
	{"2001:200::1", ""},
	{"2001:4860:4860::8888", ""},
	{"2001:db8::1", "documentation (RFC 3849)"},
	{"2001:db9::1", ""},
	{"2002:7f00:1::1", "6to4 (RFC 3056)"},
	{"2002:a9fe:a9fe::", "6to4 (RFC 3056)"},
	{"2003::1", ""},
	{"2606:4700:4700::1111", ""},
	{"2620:4f:8000::1", "AS112 (RFC 7534)"},
	{"3fff::1", "documentation (RFC 9637)"},
	{"3fff:1000::1", ""},
	{"4000::1", "not global unicast (RFC 4291)"},
	{"5f00::1", "segment routing (RFC 9602)"},
	{"fbff::1", "not global unicast (RFC 4291)"},
	{"fc00::1", "unique local (RFC 4193)"},
	{"fd00:ec2::254", "a metadata service"},
	{"fd20:ce::254", "a metadata service"},
	{"fd00:42::42", "a metadata service"},
	{"fdff::1", "unique local (RFC 4193)"},
	{"fe80::1", "link-local (RFC 4291)"},
	{"fe80::1%eth0", "an address with a zone"},
	{"2606:4700:4700::1111%eth0", "an address with a zone"},
	{"fec0::1", "site-local (RFC 3879)"},
	{"ff02::1", "multicast (RFC 4291)"},
}

func TestCheckAddresses(t *testing.T) {
	t.Parallel()
	g := newGuard(t, sender.GuardConfig{})
	for _, tt := range addresses {
		to := netip.AddrPortFrom(netip.MustParseAddr(tt.addr), 443)
		err := g.Check(to)
		controlled := g.Control("tcp6", to.String(), nil)
		if tt.reason == "" {
			require.NoError(t, err, tt.addr)
			require.NoError(t, controlled, tt.addr)
			continue
		}
		require.ErrorIs(t, err, sender.ErrBlocked, tt.addr)
		require.Equal(t, err, controlled, tt.addr)
		var blocked *sender.BlockedError
		require.ErrorAs(t, err, &blocked)
		require.Equal(t, tt.reason, blocked.Reason, tt.addr)
		require.Equal(t, to, blocked.To)
		require.False(t, blocked.Retryable())
		require.True(t, blocked.NotSent())
		require.NotContains(t, err.Error(), tt.addr, "what our DNS answers is not for everybody")
	}
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

var urls = []struct {
	url string
	ok  bool
}{
	{"https://hooks.example.com/a?b=c", true},
	{"https://HOOKS.example.COM:443/", true},
	{"https://example.com", true},
	{"https://a_b.example.com/", true},
	{"https://xn--mnchen-3ya.example.com/", true},
	{"https://1.1.1.1/", true},
	{"https://[2606:4700:4700::1111]/", true},
	{"https://[2606:4700:4700::1111]:443/", true},
	{"", false},
	{"/path", false},
	{"example.com", false},
	{"https:", false},
	{"https://", false},
	{"https:example.com", false},
	{"https:///path", false},
	{"https://:443/", false},
	{"http://example.com/", false},
	{"HTTP://example.com/", false},
	{"ftp://example.com/", false},
	{"file:///etc/passwd", false},
	{"gopher://example.com/", false},
	{"unix:///var/run/docker.sock", false},
	{"https://user:secret@example.com/", false},
	{"https://@example.com/", false},
	{"https://example.com#x", false},
	{"https://example.com/#", false},
	{"https://example.com:/", false},
	{"https://example.com:22/", false},
	{"https://example.com:0/", false},
	{"https://example.com:0443/", false},
	{"https://example.com:70000/", false},
	{"https://example.com:-1/", false},
	{"https://example.com\r\nX: y/", false},
	{"https://example.com/\r\nX: y", false},
	{"https://example.com/a b", false},
	{"https://example.com/\x00", false},
	{"https://example.com\\@evil.example.org/", false},
	{"https://münchen.example.com/", false},
	{"https://example。com/", false},
	{"https://%65xample.com/", false},
	{"https://localhost/", false},
	{"https://localhost./", false},
	{"https://a.localhost/", false},
	{"https://metadata.google.internal/", false},
	{"https://printer.local/", false},
	{"https://router.home.arpa/", false},
	{"https://kubernetes/", false},
	{"https://example.com./", false},
	{"https://-a.example.com/", false},
	{"https://a..example.com/", false},
	{"https://127.0.0.1/", false},
	{"https://127.1/", false},
	{"https://127.0.0.1./", false},
	{"https://2130706433/", false},
	{"https://0x7f000001/", false},
	{"https://0X7F.1/", false},
	{"https://0177.0.0.1/", false},
	{"https://017700000001/", false},
	{"https://1.1.1.01/", false},
	{"https://example.0x1/", false},
	{"https://0.0.0.0/", false},
	{"https://0/", false},
	{"https://169.254.169.254/latest/meta-data/", false},
	{"https://[::]/", false},
	{"https://[::1]/", false},
	{"https://[::ffff:127.0.0.1]/", false},
	{"https://[::ffff:7f00:1]/", false},
	{"https://[0:0:0:0:0:ffff:a9fe:a9fe]/", false},
	{"https://[64:ff9b::a9fe:a9fe]/", false},
	{"https://[2002:7f00:1::]/", false},
	{"https://[fe80::1%25eth0]/", false},
	{"https://[fe80::1%25lo%0d%0a]/", false},
	{"https://[2606:4700:4700::1111%25lo]/", false},
	{"https://::1/", false},
	{"https://[1.1.1.1]/", false},
	{"https://[example.com]/", false},
	{"https://" + strings.Repeat("a.", 130) + "com/", false},
	{"https://" + strings.Repeat("a", 64) + ".com/", false},
	{"https://example.com/" + strings.Repeat("a", 2048), false},
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	g := newGuard(t, sender.GuardConfig{})
	for _, tt := range urls {
		u, err := g.CheckURL(tt.url)
		if tt.ok {
			require.NoError(t, err, tt.url)
			require.NotNil(t, u)
			continue
		}
		require.Error(t, err, tt.url)
		require.Nil(t, u, tt.url)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestCheckURLOfOnesOwn(t *testing.T) {
	t.Parallel()
	g := newGuard(t, sender.GuardConfig{
		Ports: []uint16{80, 8080}, DangerouslyPlaintext: true,
		DangerouslyAllow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	})
	for url, ok := range map[string]bool{
		"http://receiver:8080/":            true,
		"http://hooks.corp.internal/":      true,
		"http://10.1.2.3/":                 true,
		"http://127.0.0.1/":                false,
		"http://167772161/":                false,
		"http://user@receiver:8080/":       false,
		"https://example.com/":             false,
		"http://[::ffff:169.254.169.254]/": false,
	} {
		_, err := g.CheckURL(url)
		require.Equal(t, ok, err == nil, "%s: %v", url, err)
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

func FuzzCheck(f *testing.F) {
	for _, tt := range addresses {
		a := netip.MustParseAddr(tt.addr).WithZone("")
		b := a.As16()
		f.Add(b[:], a.Is4())
	}
	g := newGuard(f, sender.GuardConfig{})
	f.Fuzz(func(t *testing.T, raw []byte, four bool) {
		if len(raw) != 16 {
			return
		}
		addr := netip.AddrFrom16([16]byte(raw))
		if four {
			addr = netip.AddrFrom4([4]byte(raw[12:]))
		}
		err := g.Check(netip.AddrPortFrom(addr, 443))
		plain := addr.Unmap()
		if err == nil {
			// What package netip knows of addresses must agree.
			require.True(t, plain.IsGlobalUnicast() && !plain.IsPrivate() && !plain.IsLoopback() && !plain.IsLinkLocalUnicast() && !plain.IsMulticast())
			if plain.Is6() {
				require.Equal(t, byte(0x20), raw[0]&0xe0)
			}
		}
		// The same address in another form is the same address.
		require.Equal(t, err == nil, g.Check(netip.AddrPortFrom(plain, 443)) == nil)
	})
}

func FuzzCheckURL(f *testing.F) {
	for _, tt := range urls {
		f.Add(tt.url)
	}
	g := newGuard(f, sender.GuardConfig{})
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := g.CheckURL(raw)
		if err != nil {
			require.Nil(t, u)
			return
		}
		require.Equal(t, "https", u.Scheme)
		require.Nil(t, u.User)
		require.Contains(t, []string{"", "443"}, u.Port())
		require.NotContains(t, u.RequestURI(), " ")
		// It means the same when it is written and read again.
		again, err := g.CheckURL(u.String())
		require.NoError(t, err)
		require.Equal(t, u.Host, again.Host)
		if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
			require.NoError(t, g.Check(netip.AddrPortFrom(addr, 443)))
		}
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, raw, http.NoBody)
		require.NoError(t, err)
		require.Equal(t, u.Host, req.URL.Host)
	})
}
