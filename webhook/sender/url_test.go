package sender_test

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/sender"
)

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

func BenchmarkCheckURL(b *testing.B) {
	g := newGuard(b, sender.GuardConfig{})
	b.ReportAllocs()
	for b.Loop() {
		_, _ = g.CheckURL("https://hooks.example.com/a?b=c")
	}
}
