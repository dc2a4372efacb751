package auth_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"expvar"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
)

func TestSecretCannotBePrinted(t *testing.T) {
	t.Parallel()
	canary := authtest.NewCanary()
	value := canary.Secret("secret")
	s := auth.NewSecret(value)
	hidden := struct {
		Shown  auth.Secret
		hidden auth.Secret
		inMap  map[string]auth.Secret
		point  *auth.Secret
		list   []auth.Secret
	}{s, s, map[string]auth.Secret{"k": s}, &s, []auth.Secret{s}}
	for name, v := range map[string]any{
		"secret": s, "pointer": &s, "struct": hidden, "pointer to struct": &hidden,
		"slice": []auth.Secret{s}, "map": map[string]auth.Secret{"k": s},
		"token":          &auth.Token{AccessToken: s, RefreshToken: s, Extra: map[string]auth.Secret{"id_token": s}},
		"keys":           auth.Keys{First: s, Second: s},
		"basic":          auth.BasicConfig{User: s, Password: s},
		"key config":     auth.KeyConfig{Keys: auth.Keys{First: s}},
		"expvar":         expvar.Func(func() any { return hidden }).String(),
		"every verb":     everyVerb(s),
		"in an error":    fmt.Errorf("failed with %v %w", s, fmt.Errorf("%s", s)),
		"slog attribute": slog.Any("k", s),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			canary.Check(t, name, v)
		})
	}
	out, err := xml.Marshal(s)
	require.NoError(t, err)
	canary.Check(t, "XML", out)
	var b bytes.Buffer
	_ = gob.NewEncoder(&b).Encode(s)
	canary.Check(t, "gob", b.Bytes())
	func() {
		defer func() { canary.Check(t, "panic", fmt.Sprint(recover())) }()
		panic(fmt.Sprintf("%v", s))
	}()
}

func everyVerb(s auth.Secret) string {
	var all strings.Builder
	for c := rune(' '); c < 0x7f; c++ {
		for _, flags := range []string{"", "+", "#", "-30", "030", " ", ".3"} {
			fmt.Fprintf(&all, "%"+flags+string(c)+"\n", s)
		}
	}
	return all.String()
}

func TestSecret(t *testing.T) {
	t.Parallel()
	s := auth.NewSecret("value")
	require.Equal(t, "value", s.Reveal())
	require.Equal(t, "[redacted]", fmt.Sprintf("%v", s))
	require.False(t, s.IsZero())
	require.True(t, s.Equal(auth.NewSecret("value")))
	require.False(t, s.Equal(auth.NewSecret("Value")))
	require.False(t, s.Equal(auth.NewSecret("value1")))
	require.False(t, s.Equal(auth.Secret{}))
	data, err := json.Marshal(map[string]any{"a": s, "b": auth.Secret{}})
	require.NoError(t, err)
	require.JSONEq(t, `{"a":"[redacted]","b":""}`, string(data))

	empty := auth.NewSecret("")
	require.True(t, empty.IsZero())
	require.True(t, empty.Equal(auth.Secret{}))
	require.Empty(t, empty.Reveal())
	require.Empty(t, fmt.Sprintf("%v%+v%#v%s%q", empty, empty, empty, empty, empty))
}

func TestTokenClone(t *testing.T) {
	t.Parallel()
	require.Nil(t, (*auth.Token)(nil).Clone())
	orig := &auth.Token{AccessToken: auth.NewSecret("a"), Scopes: []string{"x"}, ExpiresIn: time.Hour, Extra: map[string]auth.Secret{"k": auth.NewSecret("v")}}
	clone := orig.Clone()
	require.Equal(t, orig, clone)
	clone.Scopes[0] = "y"
	delete(clone.Extra, "k")
	require.Equal(t, "x", orig.Scopes[0])
	require.Len(t, orig.Extra, 1)
}
