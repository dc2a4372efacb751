// Package sender sends webhooks to URLs that others have chosen.
//
// # The guard
//
// Whoever may name a URL may name one inside: a metadata service that hands out
// credentials, a database, a neighbour that trusts this machine. A [Guard]
// keeps connections out of networks that are not public. It can be used alone:
//
//	guard, err := sender.NewGuard(sender.GuardConfig{})
//	…
//	client := &http.Client{Transport: guard.Transport()}
package sender
