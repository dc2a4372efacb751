//go:build unix

package oauth_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/oauth"
)

// The processes of one user share their logins in a directory.
func ExampleNewFileStore() {
	home, err := os.MkdirTemp("", "example") // os.UserConfigDir in a program
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(home)
	store, err := oauth.NewFileStore(oauth.FileStoreConfig{
		Dir:     filepath.Join(home, "tokens"),
		SealKey: auth.NewSecret("32 random bytes from the keyring"), // may be left out
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = store.Load(context.Background(), "alice") // a Refresher does this
	fmt.Println(err)
	// Output: oauth: there is no such record
}
