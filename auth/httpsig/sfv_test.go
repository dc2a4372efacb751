package httpsig_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/httpsig"
)

func TestDictionary(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		``:                       ``,
		`a`:                      `a`,
		`a=?1`:                   `a`,
		`a=?0`:                   `a=?0`,
		`  a=1 ,	b=2  `:          `a=1, b=2`,
		`a=1;x=1;  y`:            `a=1;x=1;y`,
		`a="x\"y\\"`:             `a="x\"y\\"`,
		`a=tok/en:1`:             `a=tok/en:1`,
		`a=007, b=-0, c=-5`:      `a=7, b=0, c=-5`,
		`a=1.50, b=00.0, c=-1.0`: `a=1.5, b=0.0, c=-1.0`,
		`a=:aGVsbG8=:`:           `a=:aGVsbG8=:`,
		`a=( 1  "b"   c;d );e=(`: "-",
		`a=( 1  "b"   c;d );e`:   `a=(1 "b" c;d);e`,
		`a=()`:                   `a=()`,
		`*a_-.*=1`:               `*a_-.*=1`,
		`a=1,`:                   "-",
		`a=1 b=2`:                "-",
		`,a`:                     "-",
		`a=`:                     "-",
		`A=1`:                    "-",
		`1=1`:                    "-",
		`a=1, a=2`:               "-",
		`a;x=1;x=2`:              "-",
		`a="`:                    "-",
		`a="\n"`:                 "-",
		"a=\"\x7f\"":             "-",
		`a="ä"`:                  "-",
		`a=:AA`:                  "-",
		`a=:AA:`:                 "-",
		`a=:AB==:`:               "-",
		"a=:AA=\n=:":             "-",
		`a=?2`:                   "-",
		`a=?`:                    "-",
		`a=-`:                    "-",
		`a=1.`:                   "-",
		`a=.1`:                   "-",
		`a=1.2345`:               "-",
		`a=1234567890123456`:     "-",
		`a=1234567890123.1`:      "-",
		`a=("x""y")`:             "-",
		`a=("x"`:                 "-",
		`a=((1))`:                "-",
		`a=@1`:                   "-",
		"a=1\x00":                "-",
	} {
		got, ok := httpsig.Canonical(in)
		if want == "-" {
			require.False(t, ok, "%q", in)
			continue
		}
		require.True(t, ok, "%q", in)
		require.Equal(t, want, got)
	}
}
