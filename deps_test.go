package holdfast_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever imports one package gets its own dependency and no other.
func TestDependencies(t *testing.T) {
	t.Parallel()
	const module = "github.com/holdfast-go/holdfast"
	// Packages whose own calls need the same care, or that are parts of another.
	parts := map[string][]string{
		"./auth/httpsig":           {"/auth"},
		"./auth/jwt":               {"/auth"},
		"./auth/mtls":              {"/auth"},
		"./auth/oauth":             {"/auth", "/retry", "/breaker"},
		"./webhook/inbox":          {"/retry"},
		"./webhook/inbox/sqlstore": {"/webhook/inbox", "/retry"},
		"./webhook/sender":         {"/webhook", "/breaker"},

		"./webhook/sender/sqlstore": {"/webhook/sender", "/webhook", "/breaker"},

		// Suites for the tests of those who implement a store.
		"./auth/oauth/storetest":     {"/auth/oauth", "/auth", "/retry", "/breaker"},
		"./webhook/inbox/storetest":  {"/webhook/inbox", "/retry"},
		"./webhook/sender/storetest": {"/webhook/sender", "/webhook", "/breaker"},
		"./webhook/webhooktest":      {"/webhook"},
	}
	testify := []string{
		"github.com/stretchr/testify/assert", "github.com/stretchr/testify/assert/yaml", "github.com/stretchr/testify/internal/difflib",
		"github.com/stretchr/testify/internal/spew", "github.com/stretchr/testify/require", "go.yaml.in/yaml/v3",
	}
	table := map[string][]string{
		".":           nil,
		"./retry":     {"github.com/cenkalti/backoff/v4"},
		"./ratelimit": {"golang.org/x/time/rate"},
		"./breaker":   {"github.com/sony/gobreaker/v2"},

		"./breaker/fallback":     nil,
		"./ratelimit/redislimit": nil,

		"./auth":          {"golang.org/x/oauth2", "golang.org/x/oauth2/internal"},
		"./auth/authtest": nil,
		"./auth/httpsig":  {"golang.org/x/oauth2", "golang.org/x/oauth2/internal"},
		"./auth/jwt": {
			"github.com/go-jose/go-jose/v4", "github.com/go-jose/go-jose/v4/cipher", "github.com/go-jose/go-jose/v4/json",
			"golang.org/x/oauth2", "golang.org/x/oauth2/internal",
		},
		"./auth/mtls": {"golang.org/x/oauth2", "golang.org/x/oauth2/internal"},
		"./auth/oauth": {
			"github.com/cenkalti/backoff/v4", "github.com/sony/gobreaker/v2",
			"golang.org/x/oauth2", "golang.org/x/oauth2/internal",
		},

		"./webhook":                nil,
		"./webhook/inbox":          {"github.com/cenkalti/backoff/v4"},
		"./webhook/inbox/sqlstore": {"github.com/cenkalti/backoff/v4"},
		"./webhook/sender":         {"github.com/cenkalti/backoff/v4", "github.com/sony/gobreaker/v2"},

		"./webhook/sender/sqlstore": {"github.com/cenkalti/backoff/v4", "github.com/sony/gobreaker/v2"},

		"./auth/oauth/storetest": {
			"github.com/cenkalti/backoff/v4", "github.com/sony/gobreaker/v2",
			"golang.org/x/oauth2", "golang.org/x/oauth2/internal",
		},
		"./webhook/inbox/storetest":  slices.Concat([]string{"github.com/cenkalti/backoff/v4"}, testify),
		"./webhook/sender/storetest": slices.Concat([]string{"github.com/cenkalti/backoff/v4", "github.com/sony/gobreaker/v2"}, testify),
		"./webhook/webhooktest":      nil,
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "./...").Output()
	require.NoError(t, err)
	for path := range strings.FieldsSeq(string(out)) {
		if own := strings.TrimPrefix(path, module); own != "" && !strings.HasPrefix(own, "/internal/") {
			require.Contains(t, table, "."+own, "no package is left out")
		}
	}
	for pkg, want := range table {
		t.Run(pkg, func(t *testing.T) {
			t.Parallel()
			out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", pkg).Output()
			require.NoError(t, err)
			var foreign []string
			for path := range strings.FieldsSeq(string(out)) {
				own, ok := strings.CutPrefix(path, module)
				switch {
				case !ok:
					foreign = append(foreign, path)
				case slices.Contains(parts[pkg], own):
				case !strings.HasPrefix(own, "/internal/"):
					require.Equal(t, strings.TrimPrefix(pkg, "."), own, "packages do not import each other")
				}
			}
			slices.Sort(foreign)
			require.Equal(t, want, foreign)
		})
	}
}
