package sqlstore

import "github.com/holdfast-go/holdfast/webhook/inbox"

// The advisory locks of PostgreSQL have room for some thousands in all, so lanes
// and batches share a few: who waits for one of another lane waits for a commit.
const (
	laneStripes  = 128
	batchStripes = 32
)

// stripe is the lock that h has, of n.
func stripe(first int64, h inbox.Hash, n byte) int64 { return first + int64(h[0]%n) }
