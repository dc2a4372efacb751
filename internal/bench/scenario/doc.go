// Package scenario holds what the subjects are measured with: calls, and the
// transport in memory that answers them.
package scenario
