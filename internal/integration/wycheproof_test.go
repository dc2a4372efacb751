package integration_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/jwt"
)

// exceptions are the messages that Project Wycheproof calls valid and that
// auth/jwt refuses, by their number, each with the reason.
var exceptions = map[int]string{
	346: "the key says PS256 and the message PS384",
	347: "the key says ES521, which is no algorithm",
	350: "the key says PS256 and the message PS384",
	351: "the key says ES521, which is no algorithm",
	372: "the header has a character that is not base64url",
	373: "the payload has a character that is not base64url",
}

// contradictions are the messages that it calls invalid and that auth/jwt takes.
// They are named after a padding that they do not have: each is, byte for byte,
// the valid message whose number stands behind it.
var contradictions = map[int]int{367: 357, 370: 357}

var algorithms = []jwt.Algorithm{
	jwt.HS256, jwt.HS384, jwt.HS512, jwt.RS256, jwt.RS384, jwt.RS512, jwt.PS256, jwt.PS384, jwt.PS512,
	jwt.ES256, jwt.ES384, jwt.ES512, jwt.EdDSA,
}

// The JWS of Project Wycheproof are verified with all algorithms allowed, so
// that only the keys and the strict reading stand between them and acceptance.
func TestWycheproofJWS(t *testing.T) {
	t.Parallel()
	data, err := fs.ReadFile(wycheproof.TestVectors, "json_web_signature_test.json")
	require.NoError(t, err)
	var file struct {
		TestGroups []struct {
			Comment string
			Public  json.RawMessage
			Private json.RawMessage
			Tests   []struct {
				TcID    int
				Comment string
				JWS     string
				Result  string
			}
		}
	}
	require.NoError(t, json.Unmarshal(data, &file))
	seen := make(map[string]int)
	for _, group := range file.TestGroups {
		keys := wycheproofKeys(t, group.Public, group.Private)
		valid := make(map[int]string)
		for _, test := range group.Tests {
			seen[test.Result]++
			_, err := jwt.VerifyJWS(t.Context(), test.JWS, keys, algorithms...)
			what := fmt.Sprintf("%s %d: %s", group.Comment, test.TcID, test.Comment)
			reason, exception := exceptions[test.TcID]
			original, contradiction := contradictions[test.TcID]
			switch {
			case contradiction:
				require.Equal(t, "invalid", test.Result, what)
				require.Equal(t, valid[original], test.JWS, what)
				require.NoError(t, err, what)
			case exception:
				require.Equal(t, "valid", test.Result, what)
				require.ErrorIs(t, err, jwt.ErrInvalid, "%s is no exception any more: %s", what, reason)
			case test.Result == "valid":
				valid[test.TcID] = test.JWS
				require.NoError(t, err, what)
			default:
				require.ErrorIs(t, err, jwt.ErrInvalid, what)
			}
		}
	}
	require.Equal(t, map[string]int{"valid": 46, "invalid": 355}, seen)
}

// wycheproofKeys returns the key of a group, as its issuer would publish it. A
// published set has no secrets, so that of an HMAC is handed over.
func wycheproofKeys(t *testing.T, public, private json.RawMessage) jwt.KeySet {
	t.Helper()
	if public == nil {
		var oct struct {
			Kid string
			Alg jwt.Algorithm
			K   string
		}
		require.NoError(t, json.Unmarshal(private, &oct))
		secret, err := base64.RawURLEncoding.DecodeString(oct.K)
		require.NoError(t, err)
		key, err := jwt.SecretKey(oct.Kid, oct.Alg, auth.NewSecret(string(secret)))
		require.NoError(t, err)
		return jwt.KeySet{key}
	}
	keys, _, err := jwt.ParseKeySet([]byte(`{"keys":[` + string(public) + `]}`))
	require.NoError(t, err)
	return keys
}
