package retry

import (
	"slices"
	"strings"
	"time"
)

// Account is what the budget of one key was at the time of a
// [Budget.Snapshot].
type Account struct {
	// Key is that of the account: the origin, or what BudgetConfig.Key returned.
	Key string
	// Tokens is how many repetitions it had left, the reserve of MinPerSecond
	// included. Below 1 none is granted; tokens that were spent and have left
	// the window count no more.
	Tokens float64
}

// Snapshot returns the accounts that are remembered, sorted by key. It takes
// the lock of each for a moment.
func (b *Budget) Snapshot() []Account {
	now := time.Since(b.start)
	var all []Account
	for key, a := range b.accounts.All() {
		all = append(all, Account{Key: key.String(), Tokens: a.left(b, now)})
	}
	slices.SortFunc(all, func(x, y Account) int { return strings.Compare(x.Key, y.Key) })
	return all
}

// left is what can be spent at the time now.
func (a *account) left(b *Budget, now time.Duration) float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.move(b, now)
	return max(0, a.balance+b.reserve)
}
