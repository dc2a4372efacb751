package integration_test

import (
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/jwt"
)

// exceptions are messages that Project Wycheproof calls valid and that
// auth/jwt refuses, by their number.
var exceptions = map[int]string{
	346: "the key says PS256 and the message PS384",
	347: "the key says ES521, which is no algorithm",
	350: "as 346",
	351: "as 347",
	372: "the header has a character that is not base64url",
	373: "the payload has a character that is not base64url",
}

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
		NumberOfTests int
		TestGroups    []struct {
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
	seen, refused := 0, 0
	contradictions := []int{}
	for _, group := range file.TestGroups {
		keys := wycheproofKeys(t, group.Public, group.Private)
		valid := make(map[string]bool)
		for _, test := range group.Tests {
			seen++
			_, err := jwt.VerifyJWS(t.Context(), test.JWS, keys, algorithms...)
			reason, exception := exceptions[test.TcID]
			switch {
			case test.Result == "valid" && !exception:
				valid[test.JWS] = true
				require.NoError(t, err, "%s %d: %s", group.Comment, test.TcID, test.Comment)
			case test.Result == "invalid" && valid[test.JWS]:
				contradictions = append(contradictions, test.TcID)
			case test.Result == "invalid":
				refused++
				require.ErrorIs(t, err, jwt.ErrInvalid, "%s %d: %s", group.Comment, test.TcID, test.Comment)
			default:
				require.ErrorIs(t, err, jwt.ErrInvalid, "%s %d is no exception any more: %s", group.Comment, test.TcID, reason)
			}
		}
	}
	require.Equal(t, file.NumberOfTests, seen)
	require.Equal(t, 353, refused)
	// These two are named after a padding that they do not have: they are, byte
	// for byte, message 357, which is valid.
	require.Equal(t, []int{367, 370}, contradictions)
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
