package main_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
)

const body = `{"id":"evt_1","type":"invoice.paid","text":"it's"}`

// signed returns a request as sign prints it.
func signed(t *testing.T, text string, args ...string) string {
	t.Helper()
	r := run(t, text, append([]string{"sign", "-print", "request", "-secret-env", "SECRET"}, args...)...)
	require.Equal(t, 0, r.status, r.stderr)
	return r.stdout
}

func verify(t *testing.T, request string, args ...string) result {
	t.Helper()
	return run(t, request, append([]string{"verify", "-secret-env", "SECRET"}, args...)...)
}

// keyFiles writes a private key and its public key.
func keyFiles(t *testing.T, key crypto.Signer) (private, public string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	private = file(t, "private.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	der, err = x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	return private, file(t, "public.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
}

func TestWhatIsSignedVerifies(t *testing.T) {
	t.Parallel()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	keys := map[string]crypto.Signer{"discord": ed, "sendgrid": ec, "wise": rsaKey, "paypal": rsaKey}
	bodies := map[string]string{
		"adyen": `{"notificationItems":[{"NotificationRequestItem":{"pspReference":"p","originalReference":"","merchantAccountCode":"a",` +
			`"merchantReference":"r","amount":{"value":1,"currency":"EUR"},"eventCode":"AUTHORISATION","success":"true","additionalData":{}}}]}`,
		"mailgun": `{"signature":{},"event-data":{}}`,
		"twilio":  "a=1&b=2",
	}
	extra := map[string][]string{"paypal": {"-webhook-id", "WH-1"}}
	needsURL := map[string]bool{"twilio": true, "square": true, "hubspot": true}
	hexSecret := file(t, "hex", strings.Repeat("0f", 32)+"\r\n")

	names := strings.Fields(run(t, "", "schemes").stdout)
	for line := range strings.Lines(run(t, "", "schemes").stdout) {
		name := strings.Fields(line)[0]
		if name == "gitlab-token" {
			continue // it is not printed
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := body
			if other := bodies[name]; other != "" {
				text = other
			}
			sign := append([]string{"sign", "-scheme", name, "-print", "request", "-url", "https://example.com/hooks"}, extra[name]...)
			check := append([]string{"verify", "-scheme", name}, extra[name]...)
			if needsURL[name] {
				check = append(check, "-url", "https://example.com/hooks")
			}
			switch {
			case keys[name] != nil:
				private, public := keyFiles(t, keys[name])
				sign, check = append(sign, "-secret-file", private), append(check, "-secret-file", public)
			case name == "adyen":
				sign, check = append(sign, "-secret-file", hexSecret), append(check, "-secret-file", hexSecret)
			default:
				sign, check = append(sign, "-secret-env", "SECRET"), append(check, "-secret-env", "SECRET")
			}
			request := run(t, text, sign...)
			require.Equal(t, 0, request.status, request.stderr)
			good := run(t, request.stdout, check...)
			require.Equal(t, 0, good.status, good.stdout+good.stderr)
			require.Contains(t, good.stdout, "yes: verified by "+name)
		})
	}
	require.Greater(t, len(names), 2*30)
}

func TestStandardWebhooksWithAPrivateKey(t *testing.T) {
	t.Parallel()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	private, public := keyFiles(t, key)
	request := run(t, body, "sign", "-print", "request", "-secret-file", private)
	require.Equal(t, 0, request.status, request.stderr)
	require.Contains(t, request.stdout, "v1a,")
	require.Equal(t, 0, run(t, request.stdout, "verify", "-secret-file", public).status)

	r := run(t, body, "sign", "-scheme", "github", "-secret-file", private)
	require.Equal(t, 2, r.status)
	require.Contains(t, r.stderr, "signs with a secret, not with a private key")
	r = run(t, body, "sign", "-scheme", "wise", "-secret-file", private)
	require.Equal(t, 2, r.status, "the wrong algorithm")
	broken := file(t, "broken.pem", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n")
	r = run(t, body, "sign", "-scheme", "wise", "-secret-file", broken)
	require.Equal(t, 2, r.status)
	require.Contains(t, r.stderr, "PKCS #8")
}

func TestVerify(t *testing.T) {
	t.Parallel()
	standard := signed(t, body, "-id", "msg_7")
	old := signed(t, body, "-at", "2026-01-31T12:00:00Z")
	github := signed(t, body, "-scheme", "github")
	tests := []struct {
		name, request string
		args          []string
		status        int
		want          []string
	}{
		{"good", standard, nil, 0, []string{"yes: verified by standard-webhooks with key 1, 50 bytes\n", "id:   msg_7\n", "time: "}},
		{"a secret in another format", standard, []string{"-secret-env", "OTHER"}, 2, nil},
		{"nothing but the body is signed", github, []string{"-scheme", "github"}, 0, []string{"note: no time is signed", "note: no ID is signed"}},
		{"line ends of Unix", strings.ReplaceAll(standard, "\r\n", "\n"), nil, 0, nil},
		{"without a length", drop(standard, "Content-Length"), nil, 0, nil},
		{"too old", old, nil, 1, []string{"no: webhook: standard-webhooks: too old"}},
		{"too old, explained", old, []string{"-explain"}, 1, []string{"reason: clock: the signature is good"}},
		{"old, at its time", old, []string{"-at", "2026-01-31T12:01:00Z"}, 0, []string{"time: 2026-01-31T12:00:00Z"}},
		{"old and changed, at its time", strings.Replace(old, "paid", "pay!", 1), []string{"-at", "2026-01-31T12:01:00Z", "-explain"}, 1, []string{"no: webhook: standard-webhooks: bad signature\nnothing odd"}},
		{"changed", strings.Replace(standard, "paid", "pay!", 1), nil, 1, []string{"no: webhook: standard-webhooks: bad signature\n"}},
		{"another scheme", github, []string{"-explain"}, 1, []string{"maybe: header: there is X-Hub-Signature-256"}},
		{"written again", respaced(standard), []string{"-explain"}, 1, []string{"reason: body: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := verify(t, tt.request, tt.args...)
			require.Equal(t, tt.status, r.status, r.stdout+r.stderr)
			for _, want := range tt.want {
				require.Contains(t, r.stdout, want)
			}
		})
	}
}

// drop removes a header field.
func drop(request, name string) string {
	before, after, _ := strings.Cut(request, "\r\n"+name)
	_, after, _ = strings.Cut(after, "\r\n")
	return before + "\r\n" + after
}

// respaced returns the request as if a framework had parsed its body and written it
// again.
func respaced(request string) string {
	return drop(strings.ReplaceAll(strings.ReplaceAll(request, `":"`, `": "`), `","`, `", "`), "Content-Length")
}

func TestSecretsThatRotate(t *testing.T) {
	t.Parallel()
	request := run(t, body, "sign", "-scheme", "stripe", "-print", "request", "-secret-env", "OTHER").stdout
	r := run(t, request, "verify", "-scheme", "stripe", "-secret-env", "SECRET", "-secret-env", "OTHER")
	require.Equal(t, 0, r.status, r.stdout)
	require.Contains(t, r.stdout, "with key 2")
}

func TestBodiesOfAnotherLength(t *testing.T) {
	t.Parallel()
	request := signed(t, body)
	r := verify(t, request+"\n")
	require.Equal(t, 0, r.status)
	require.Contains(t, r.stderr, "1 bytes behind the end of the body are not used")
	r = verify(t, request[:len(request)-1])
	require.Equal(t, 1, r.status)
	require.Contains(t, r.stderr, "the body ends early: it has 49 bytes")

	chunked := strings.Replace(drop(request, "Content-Length"), "\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n", 1)
	head, _, _ := strings.Cut(chunked, "\r\n\r\n")
	r = verify(t, fmt.Sprintf("%s\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", head, len(body), body))
	require.Equal(t, 0, r.status, r.stderr)
	r = verify(t, head+"\r\n\r\nzz\r\n")
	require.Equal(t, 2, r.status)
	require.Contains(t, r.stderr, "the body cannot be read")
}

func TestVerifyReadsAFile(t *testing.T) {
	t.Parallel()
	path := file(t, "request.http", signed(t, body))
	require.Equal(t, 0, verify(t, "", path).status)
	secret := file(t, "secret", secretText+"\n")
	require.Equal(t, 0, run(t, "", "verify", "-secret-file", secret, path).status)
}

func TestSignForms(t *testing.T) {
	t.Parallel()
	headers := run(t, body, "sign", "-secret-env", "SECRET", "-print", "headers", "-id", "msg_9")
	require.Equal(t, 0, headers.status)
	require.Contains(t, headers.stdout, "Webhook-Id: msg_9\n")
	require.NotContains(t, headers.stdout, "evt_1")

	curl := run(t, body, "sign", "-secret-env", "SECRET", "-url", "https://example.com/it's")
	require.Equal(t, 0, curl.status)
	require.Contains(t, curl.stdout, `--data-raw '{"id":"evt_1","type":"invoice.paid","text":"it'\''s"}'`)
	require.Contains(t, curl.stdout, `'https://example.com/it'\''s'`)

	zero := run(t, "a\x00b", "sign", "-secret-env", "SECRET")
	require.Equal(t, 2, zero.status)
	require.Contains(t, zero.stderr, "use -print request")
	require.Equal(t, 0, verify(t, signed(t, "a\x00b")).status)
}

func TestSend(t *testing.T) {
	t.Parallel()
	verifier, err := webhook.New(webhook.Config{Scheme: webhook.StandardWebhooks(), Keys: webhook.Keys(secretText)})
	require.NoError(t, err)
	receiver, err := webhook.NewReceiver(webhook.ReceiverConfig{Verifier: verifier, DangerouslyAllowHTTP: true})
	require.NoError(t, err)
	got := make(chan string, 1)
	mux := http.NewServeMux()
	mux.Handle("/hooks", receiver.Verify(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- webhook.EventsFrom(r.Context())[0].ID
		w.WriteHeader(http.StatusNoContent)
	})))
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) { got <- r.Header.Get("X-Gitlab-Token") })
	mux.HandleFunc("/full", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	mux.Handle("/moved", http.RedirectHandler("/hooks", http.StatusTemporaryRedirect))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	send := func(args ...string) result {
		return run(t, body, append([]string{"sign", "-secret-env", "SECRET", "-send"}, args...)...)
	}

	r := send("-id", "msg_5", "-url", server.URL+"/hooks")
	require.Equal(t, result{0, "yes: the answer is 204 No Content\n", ""}, r)
	require.Equal(t, "msg_5", <-got)
	r = send("-at", time.Now().Add(-time.Hour).Format(time.RFC3339), "-url", server.URL+"/hooks")
	require.Equal(t, result{1, "no: the answer is 401 Unauthorized\n", ""}, r)
	r = send("-url", server.URL+"/full")
	require.Equal(t, result{1, "no: the answer is 503 Service Unavailable\nit may be sent again after: 5\n", ""}, r)
	r = send("-url", server.URL+"/moved")
	require.Equal(t, 1, r.status, "no redirect is followed")
	r = send("-scheme", "gitlab-token", "-url", server.URL+"/token")
	require.Equal(t, 0, r.status, r.stderr)
	require.Equal(t, secretText, <-got)

	server.Close()
	r = send("-url", server.URL+"/hooks")
	require.Equal(t, 3, r.status)
	require.Contains(t, r.stderr, "hooks sign: ")
}

// The requests that nobody expects: whatever comes, the answer is a sentence.
func FuzzVerify(f *testing.F) {
	for _, text := range []string{
		"", "POST / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\nContent-Length: 5\n\nabc", "GET", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nWebhook-Id: a\r\nWebhook-Timestamp: 1\r\nWebhook-Signature: v1,AAAA\r\n\r\n{}",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, request string) {
		r := verify(t, request, "-explain")
		require.Contains(t, []int{1, 2}, r.status)
		require.NotEmpty(t, r.stdout+r.stderr)
	})
}
