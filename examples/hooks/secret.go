package main

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"io"
	"os"
	"strings"

	"github.com/holdfast-go/holdfast/webhook"
)

// maxSecret is the longest secret or key that is read from a file, in bytes.
const maxSecret = 64 << 10

// secretFlags say where secrets are. Each flag may be given more than once.
type secretFlags struct{ envs, files []string }

func (f *secretFlags) add(fs *flag.FlagSet) {
	fs.Func("secret-env", "`name` of an environment variable that holds the secret; may be repeated", func(s string) error {
		f.envs = append(f.envs, s)
		return nil
	})
	fs.Func("secret-file", "`path` of a file that holds the secret, or a key in PEM; may be repeated", func(s string) error {
		f.files = append(f.files, s)
		return nil
	})
}

// read returns the secrets, at least one.
func (f *secretFlags) read(getenv func(string) string) ([]webhook.Secret, error) {
	var all []webhook.Secret
	for _, name := range f.envs {
		text := getenv(name)
		if text == "" {
			// Not its name: who takes the flag for the secret's must not read it in a log.
			return nil, wrong("-secret-env: the environment variable is not set: the flag takes its name, not the secret")
		}
		all = append(all, webhook.NewSecret(text))
	}
	for _, path := range f.files {
		text, err := readSecret(path)
		if err != nil {
			return nil, err
		}
		all = append(all, webhook.NewSecret(text))
	}
	if len(all) == 0 {
		return nil, wrong("a secret is needed: -secret-env or -secret-file")
	}
	return all, nil
}

// readSecret reads a file. The line break that editors put at its end is no part of
// a secret.
func readSecret(path string) (string, error) {
	file, err := os.Open(path) //nolint:gosec // the user names the file
	if err != nil {
		return "", wrong("-secret-file: %w", err)
	}
	defer func() { _ = file.Close() }()
	raw, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err != nil {
		return "", wrong("-secret-file: %w", err)
	}
	if len(raw) > maxSecret {
		return "", wrong("-secret-file: %s is longer than %d bytes", path, maxSecret)
	}
	text := strings.TrimRight(string(raw), "\r\n")
	if text == "" {
		return "", wrong("-secret-file: %s is empty", path)
	}
	return text, nil
}

// private returns the private key that a secret is in PKCS #8 and PEM, nil if it is
// something else.
func private(secret webhook.Secret) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(secret.Reveal()))
	if block == nil || !strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return nil, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, wrong("the private key is not in PKCS #8: openssl pkcs8 -topk8 -nocrypt makes one of it")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, wrong("the private key cannot sign")
	}
	return signer, nil
}
