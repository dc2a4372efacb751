// Package measure compares pieces of work on a machine that others use too. It
// runs them in turn, in short slices and in another order each time, so that
// what disturbs the machine disturbs all of them, and looks at medians.
package measure
