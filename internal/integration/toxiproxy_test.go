package integration_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// The directions of a toxic.
const (
	requests = "upstream"
	answers  = "downstream"
)

// toxic is one fault of a proxied connection: a type of toxiproxy's, its
// attributes and what it is done to.
type toxic struct {
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Stream     string         `json:"stream"`
	Attributes map[string]any `json:"attributes"`
}

// faultyLink is a TCP proxy in front of an upstream.
type faultyLink struct {
	URL   string
	proxy *toxiproxy.Proxy
}

// startLink runs toxiproxy in front of h until the test ends. It is in good
// order until break is called.
func startLink(t *testing.T, h http.Handler) *faultyLink {
	t.Helper()
	upstream := httptest.NewServer(h)
	t.Cleanup(upstream.Close)
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", strings.TrimPrefix(upstream.URL, "http://"))
	require.NoError(t, proxy.Start())
	t.Cleanup(proxy.Stop)
	return &faultyLink{URL: "http://" + proxy.Listen, proxy: proxy}
}

// poison adds a fault to every connection that is made from now on.
func (l *faultyLink) poison(t *testing.T, x toxic) {
	t.Helper()
	x.Name = x.Type
	definition, err := json.Marshal(x)
	require.NoError(t, err)
	_, err = l.proxy.Toxics.AddToxicJson(strings.NewReader(string(definition)))
	require.NoError(t, err)
}

// heal removes every fault.
func (l *faultyLink) heal(t *testing.T) {
	t.Helper()
	l.proxy.Toxics.ResetToxics(t.Context())
}
