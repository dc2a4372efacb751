package webhook

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// KeyUse says how much a key is used, see [Receiver.Snapshot].
type KeyUse struct {
	// Scheme and KeyID are those of [Verified].
	Scheme, KeyID string
	// Requests is how many requests the key has verified.
	Requests int64
	// Last is when the last of them came.
	Last time.Time
}

// Snapshot returns the keys that have verified a request since the Receiver was
// made, in the order of Scheme and KeyID. An old secret can be withdrawn when
// its key has not been used, or is not among them, for longer than the provider
// sends a request again. At most 1,000 keys are remembered; of
// more, those are forgotten that were not used for longest.
func (r *Receiver) Snapshot() []KeyUse { return r.keys.all() }

// maxKeyUses bounds what is remembered where each tenant has keys of its own.
const maxKeyUses = 1000

// keyUses remembers the use of keys. The zero value remembers none.
type keyUses struct {
	mu   sync.Mutex
	uses map[keyName]*KeyUse
}

type keyName struct{ scheme, id string }

func (k *keyUses) note(v *Verified, at time.Time) {
	name := keyName{v.Scheme, v.KeyID}
	k.mu.Lock()
	defer k.mu.Unlock()
	use := k.uses[name]
	if use == nil {
		k.makeRoom()
		use = &KeyUse{Scheme: name.scheme, KeyID: name.id}
		k.uses[name] = use
	}
	use.Requests++
	if at.After(use.Last) {
		use.Last = at
	}
}

// makeRoom is called with the lock held. It forgets more than one at a time, so
// that not each request of another tenant looks through all of them.
func (k *keyUses) makeRoom() {
	if k.uses == nil {
		k.uses = make(map[keyName]*KeyUse)
	}
	if len(k.uses) < maxKeyUses {
		return
	}
	byAge := k.sorted(func(a, b KeyUse) int { return a.Last.Compare(b.Last) })
	for _, use := range byAge[:maxKeyUses/10] {
		delete(k.uses, keyName{use.Scheme, use.KeyID})
	}
}

func (k *keyUses) all() []KeyUse {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sorted(func(a, b KeyUse) int {
		return cmp.Or(cmp.Compare(a.Scheme, b.Scheme), cmp.Compare(a.KeyID, b.KeyID))
	})
}

// sorted is called with the lock held.
func (k *keyUses) sorted(compare func(a, b KeyUse) int) []KeyUse {
	all := make([]KeyUse, 0, len(k.uses))
	for _, use := range k.uses {
		all = append(all, *use)
	}
	slices.SortFunc(all, compare)
	return all
}
