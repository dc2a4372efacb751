//go:build race

package auth_test

// manyCallers is less than the 8128 goroutines that the race detector can follow.
const manyCallers = 1000
