package sqlstore

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// The advisory locks of PostgreSQL have room for some thousands in all, so lanes
// and batches share a few: who waits for one of another lane waits for a commit.
const (
	laneStripes  = 128
	batchStripes = 32
)

// nameLock makes the number of an advisory lock, the first of 256, of a name.
// Those of a database are shared by all its users, so it should be no number
// that others think of.
func nameLock(name string) int64 {
	sum := sha256.Sum256([]byte("holdfast inbox " + name))
	sum[7] = 0
	return int64(binary.BigEndian.Uint64(sum[:])) // #nosec G115 -- any number will do
}

// stripe is the lock that h has, of n.
func stripe(first int64, h inbox.Hash, n byte) int64 { return first + int64(h[0]%n) }

// listOf is how numbers are passed to string_to_array: there is no other way to
// pass an array that all drivers know.
func listOf(numbers []int64) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(texts, ",")
}
