package jwt

import "crypto"

// Public returns the public key of k, which users have no need to see.
func Public(k Key) crypto.PublicKey { return k.key }
