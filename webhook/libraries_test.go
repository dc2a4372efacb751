package webhook_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
)

// delivery is one of testdata/libraries.json: a request that a provider's own
// library for JavaScript has signed, or has accepted, as Source says.
type delivery struct {
	ID, Scheme, Secret, Method, URL, Source string

	RequestURL string `json:"request_url"` // if it is not URL
	Headers    map[string]string
	Body       []byte
	At         int64
}

func TestLibraries(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("testdata/libraries.json")
	require.NoError(t, err)
	var all []delivery
	require.NoError(t, json.Unmarshal(file, &all))
	require.NotEmpty(t, all)
	schemes := map[string]webhook.Scheme{}
	for _, p := range presets() {
		schemes[p.scheme.Name] = p.scheme
	}
	for _, d := range all {
		t.Run(d.ID, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, schemes, d.Scheme)
			c := webhook.Config{Scheme: schemes[d.Scheme], Keys: webhook.Keys(d.Secret)}
			target := d.RequestURL
			if target == "" {
				target = d.URL
			}
			if strings.Contains(c.Scheme.Signed, "url}") {
				c.URL = d.URL
			}
			v, err := webhook.New(c)
			require.NoError(t, err)
			req, err := http.NewRequest(d.Method, target, nil)
			require.NoError(t, err)
			for name, value := range d.Headers {
				req.Header.Set(name, value)
			}
			at := time.Unix(d.At, 0)
			_, err = v.VerifyAt(req, d.Body, at)
			require.NoError(t, err, d.Source)
			if d.Scheme == "adyen" {
				return // it signs values, not bytes
			}
			_, err = v.VerifyAt(req, append(bytes.Clone(d.Body), '0'), at)
			require.Error(t, err, "another body")
		})
	}
}
