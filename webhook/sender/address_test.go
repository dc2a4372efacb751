package sender_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/sender"
)

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

// The guard stands in front of each connection.
func TestCheckAllocatesNothing(t *testing.T) {
	g := newGuard(t, sender.GuardConfig{})
	for _, addr := range []string{"93.184.216.34:443", "[2606:4700:4700::1111]:443"} {
		to := netip.MustParseAddrPort(addr)
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = g.Check(to) }))
	}
}

func BenchmarkCheck(b *testing.B) {
	g := newGuard(b, sender.GuardConfig{})
	to := netip.MustParseAddrPort("93.184.216.34:443")
	b.ReportAllocs()
	for b.Loop() {
		_ = g.Check(to)
	}
}
