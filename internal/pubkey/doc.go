// Package pubkey holds what the packages that sign and verify have in common:
// which public keys are too weak to mean anything, how a crypto.Signer is made to
// sign, and the form of ECDSA signatures that the web uses.
package pubkey
