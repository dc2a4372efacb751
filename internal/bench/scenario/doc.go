// Package scenario holds what the subjects are measured with: calls, the
// transport in memory that answers them, and webhooks.
package scenario
