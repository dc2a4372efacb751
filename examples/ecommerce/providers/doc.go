// Package providers is the simulated world around the shop: payments, shipping,
// inventory and analytics, each a real HTTP server on a loopback port of its own.
//
// The providers keep their own books, so that what happened can be counted from
// them and not from what the shop believes. They fail by a [Plan]: the same seed
// gives the same faults to the same orders, whoever asks and in whatever order. So do
// the webhooks by which payments tells the shop what has been paid.
//
// Nothing in this package is meant to be copied into a program. The integration
// code stands in package shop.
package providers
