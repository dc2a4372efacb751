// Package subject holds what is compared: holdfast, its parts, and other ways
// to do the same work. All of them are set alike, so that no circuit opens and
// nobody waits, whatever the load.
package subject
