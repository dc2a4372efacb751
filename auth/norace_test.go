//go:build !race

package auth_test

// manyCallers is how many want a token at the same moment.
const manyCallers = 10_000
