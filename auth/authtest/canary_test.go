package authtest_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
)

const awkward = `pä"ss/wörd+<&>=\x ~!`

func TestCanaryFinds(t *testing.T) {
	t.Parallel()
	inJSON, err := json.Marshal(map[string]string{"k": awkward})
	require.NoError(t, err)
	for name, text := range map[string]string{
		"as it is":            "x" + awkward + "x",
		"JSON":                string(inJSON),
		"quoted":              fmt.Sprintf("%q", awkward),
		"quoted ASCII":        fmt.Sprintf("%+q", awkward),
		"query":               "https://example.com/?k=" + url.QueryEscape(awkward),
		"query in lower case": strings.ToLower("k=" + url.QueryEscape(awkward)),
		"path":                "/" + url.PathEscape(awkward),
		"hexadecimal":         hex.EncodeToString([]byte("a" + awkward)),
		"upper hexadecimal":   fmt.Sprintf("%X", awkward),
		"spaced hexadecimal":  fmt.Sprintf("% x", awkward),
		"bytes":               fmt.Sprintf("%d", []byte(awkward)),
		"bytes in JSON":       strings.ReplaceAll(fmt.Sprintf("%d", []byte(awkward)), " ", ","),
		"bytes in Go":         fmt.Sprintf("%#v", []byte(awkward)),
		"basic":               base64.StdEncoding.EncodeToString([]byte("u:" + awkward)),
		"basic, other user":   base64.StdEncoding.EncodeToString([]byte("us:" + awkward + "more")),
		"basic, third user":   base64.URLEncoding.EncodeToString([]byte("use:" + awkward + "x")),
		"base64":              base64.RawURLEncoding.EncodeToString([]byte(awkward)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			canary := authtest.NewCanary()
			canary.Add("password", awkward)
			leaks := canary.Scan("a text", text)
			require.Len(t, leaks, 1, text)
			require.Equal(t, "password", leaks[0].Secret)
			require.NotContains(t, leaks[0].String(), awkward)
			require.Contains(t, leaks[0].String(), "a text")
		})
	}
}

func TestCanaryIsQuietOtherwise(t *testing.T) {
	t.Parallel()
	canary := authtest.NewCanary()
	for i := range 20 {
		canary.Secret(strconv.Itoa(i))
	}
	other := authtest.NewCanary().Secret("another one")
	for _, text := range []string{"", "canary", other, base64.StdEncoding.EncodeToString([]byte(other))} {
		require.Empty(t, canary.Scan("text", text))
	}
	require.Panics(t, func() { canary.Add("short", "12345") })
}

// liar is an error that shows less than it has.
type liar struct{ err error }

func (l liar) Error() string { return "nothing to see" }
func (l liar) Unwrap() error { return l.err }

func TestCanaryLooksIntoErrorsAndValues(t *testing.T) {
	t.Parallel()
	canary := authtest.NewCanary()
	key := canary.Secret("key")
	leaky := &url.Error{Op: "Get", URL: "https://example.com/?k=" + key, Err: errors.New("no")}
	require.NotEmpty(t, canary.Look("error", liar{err: leaky}))
	require.NotEmpty(t, canary.Look("error", errors.Join(errors.New("a"), fmt.Errorf("b: %w", leaky))))
	require.NotEmpty(t, canary.Look("value", struct{ K string }{key}))
	require.NotEmpty(t, canary.Look("value", struct{ k []byte }{[]byte(key)}))
	require.Empty(t, canary.Look("value", struct{ K auth.Secret }{auth.NewSecret(key)}))
	require.Empty(t, canary.Look("value", slog.String("k", "v")))
	require.Empty(t, canary.Look("nothing", nil))
}

func ExampleCanary() {
	canary := authtest.NewCanary()
	canary.Add("api key", "s3cr3t-key-of-mine")
	logged := `msg="calling the API" url=https://api.example.com/?key=s3cr3t-key-of-mine`
	for _, leak := range canary.Scan("the log", logged) {
		fmt.Println(leak)
	}
	// In a test: canary.Check(t, "the log", logged)
	// Output: the secret "api key" leaks in the log (as it is)
}

func FuzzCanaryFindsEverySpelling(f *testing.F) {
	f.Add("secret", "", "")
	f.Add(awkward, "user:", "tail")
	f.Fuzz(func(t *testing.T, secret, before, after string) {
		if len(secret) < 6 {
			return
		}
		canary := authtest.NewCanary()
		canary.Add("s", secret)
		for _, text := range []string{
			before + secret + after,
			base64.StdEncoding.EncodeToString([]byte(before + secret + after)),
			base64.URLEncoding.EncodeToString([]byte(before + secret + after)),
			hex.EncodeToString([]byte(before + secret + after)),
			url.QueryEscape(before + secret + after),
		} {
			require.NotEmpty(t, canary.Scan("text", text), "%q", text)
		}
	})
}
