package auth_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

func TestBasic(t *testing.T) {
	t.Parallel()
	config := func(user, password string) auth.BasicConfig {
		return auth.BasicConfig{User: auth.NewSecret(user), Password: auth.NewSecret(password)}
	}
	latin1 := config("test", "123£")
	latin1.Latin1 = true
	for want, c := range map[string]auth.BasicConfig{
		"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==": config("Aladdin", "open sesame"), // RFC 7617, section 2
		"Basic dGVzdDoxMjPCow==":             config("test", "123£"),           // RFC 7617, section 2.1
		"Basic dGVzdDoxMjOj":                 latin1,
		"Basic c2tfbGl2ZTo=":                 config("sk_live", ""),
		"Basic OmE6Yg==":                     config("", "a:b"),
	} {
		a, err := auth.Basic(c)
		require.NoError(t, err)
		require.Equal(t, want, authorized(t, a, "https://x/").Header.Get("Authorization"))
	}
	euro := config("u", "€")
	euro.Latin1 = true
	for want, c := range map[string]auth.BasicConfig{
		"auth: BasicConfig: User and Password are both empty":                                                               config("", ""),
		"auth: BasicConfig.User contains a colon (RFC 7617, section 2)":                                                     config("a:b", "c"),
		"auth: BasicConfig.Password contains control characters (RFC 7617, section 2)":                                      config("a", "b\n"),
		"auth: BasicConfig.User is not UTF-8\nauth: BasicConfig.Password contains control characters (RFC 7617, section 2)": config("\xff", "\u0085"),
		"auth: BasicConfig.Password contains characters that ISO 8859-1 does not have":                                      euro,
	} {
		_, err := auth.Basic(c)
		require.EqualError(t, err, want)
	}
}

func TestStaticBearer(t *testing.T) {
	t.Parallel()
	for token, ok := range map[string]bool{
		"mF_9.B5f-4.1JqM": true, // RFC 6750, section 2.1
		"a~+/b==":         true,
		"":                false, "=": false, "a=b": false, "a b": false, "a\r\nb": false, "ä": false, `a"`: false, "a|b": false,
	} {
		a, err := auth.StaticBearer(auth.NewSecret(token))
		require.Equal(t, ok, err == nil, "%q", token)
		if ok {
			require.Equal(t, "Bearer "+token, authorized(t, a, "https://x/").Header.Get("Authorization"))
			require.Equal(t, "auth.Authorizer auth.Authorizer", fmt.Sprintf("%v %#v", a, a))
		}
	}
}

func TestBearerTypes(t *testing.T) {
	t.Parallel()
	for typ, ok := range map[string]bool{"": true, "Bearer": true, "bearer": true, "BEARER": true, "N_A": false, "DPoP": false, "mac": false, "Bearer\r\n": false} {
		a := auth.Bearer(auth.SourceFunc(func(context.Context) (*auth.Token, error) {
			return &auth.Token{AccessToken: auth.NewSecret("token"), Type: typ}, nil
		}))
		s := rttest.NewScript()
		_, err := post(t, newGuard(t, auth.Config{Authorizer: a}).Wrap(s), nil)
		require.Equal(t, ok, err == nil, typ)
		if ok {
			require.Equal(t, "Bearer token", s.Calls()[0].Header.Get("Authorization"))
			continue
		}
		var e *auth.TokenError
		require.ErrorAs(t, err, &e)
		require.Equal(t, auth.Protocol, e.Kind)
	}
	require.Equal(t, "auth.Bearer", fmt.Sprintf("%v", auth.Bearer(&counter{})))
}
