package mtls_test

import (
	"fmt"

	"github.com/holdfast-go/holdfast/auth/mtls"
)

// One pin is refused: nobody could get in any more if its key had to go.
func ExampleNew_incorrect() {
	_, err := mtls.New(mtls.Config{
		CertFile: "/var/run/tls/tls.crt",
		KeyFile:  "/var/run/tls/tls.key",
		Pins:     []string{"sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
	})
	fmt.Println(err)
	// Output: mtls: Config.Pins has one pin only: a second, of a key that is kept in reserve, must be there
}
