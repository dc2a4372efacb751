package keyed_test

import (
	"flag"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/keyed"
)

var seed = flag.Uint64("seed", 0, "seed of TestModel; 0 takes a random one")

// A model does random operations on a map and knows what may come of them.
// It does not say which entry has to go: it says which must not.
type model struct {
	t    *testing.T
	rand *rand.Rand
	m    *keyed.Map[string, state]
	modelConfig

	now   time.Duration
	held  []*keyed.Entry[string, state]
	known map[string]*state        // what the map held after the last operation
	used  map[string]time.Duration // last Acquire, Peek or, after a long use, Release
	made  *state                   // by the current operation
}

type modelConfig struct {
	max, keys, holders int
	idle               time.Duration
	keep               bool
}

func TestModel(t *testing.T) {
	t.Parallel()
	first := *seed
	if first == 0 {
		first = rand.Uint64()
	}
	tests := map[string]modelConfig{
		"one":           {max: 1, keys: 3, holders: 2},
		"one, kept":     {max: 1, keys: 3, holders: 2, keep: true},
		"few":           {max: 4, keys: 8, holders: 6, idle: time.Minute},
		"few, kept":     {max: 4, keys: 8, holders: 6, idle: time.Minute, keep: true},
		"never full":    {max: 20, keys: 12, holders: 2, idle: time.Minute, keep: true},
		"all in use":    {max: 2, keys: 12, holders: 12, idle: time.Minute, keep: true},
		"many":          {max: 60, keys: 150, holders: 40, idle: time.Minute},
		"many, growing": {max: 500, keys: 300, holders: 10},
	}
	for name, config := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for round := range uint64(20) {
				t.Logf("-seed %d, round %d", first, round)
				newModel(t, config, rand.New(rand.NewPCG(first, round))).run(300)
			}
		})
	}
}

func newModel(t *testing.T, config modelConfig, r *rand.Rand) *model {
	o := &model{
		t: t, rand: r, modelConfig: config,
		known: make(map[string]*state),
		used:  make(map[string]time.Duration),
	}
	c := keyed.Config[string, state]{Max: config.max, Idle: config.idle, Init: func(key *string, s *state) {
		require.NotContains(t, o.known, *key, "made although present")
		newState(key, s)
		o.made = s
	}}
	if config.keep {
		c.Keep = kept
	}
	o.m = keyed.New(c)
	return o
}

func (o *model) run(steps int) {
	for range steps {
		o.made = nil
		key := strconv.Itoa(o.rand.IntN(o.keys))
		switch p := o.rand.IntN(100); {
		case p < 55:
			o.took(o.m.Acquire(key, o.now))
		case p < 60:
			if e, ok := o.m.Peek(key, o.now); ok {
				o.took(e)
			} else {
				require.NotContains(o.t, o.known, key)
			}
		case p < 90:
			if len(o.held) > 0 {
				o.release(o.rand.IntN(len(o.held)))
			}
		case p < 95:
			o.now += time.Duration(o.rand.Int64N(int64(2 * time.Minute)))
		default:
			if s := o.known[key]; s != nil {
				s.keep = !s.keep
			}
		}
		o.check()
	}
	for len(o.held) > 0 {
		o.made = nil
		o.release(0)
		o.check()
	}
}

// took notes that e is held, and releases it if enough are.
func (o *model) took(e *keyed.Entry[string, state]) {
	key := e.Key()
	require.Equal(o.t, key, e.Value().key)
	if o.made == nil {
		require.Same(o.t, o.known[key], e.Value(), "another value while the old one was present")
	} else {
		require.Same(o.t, o.made, e.Value())
	}
	o.held = append(o.held, e)
	o.used[key] = o.now
	if len(o.held) > o.holders {
		o.check()
		o.made = nil
		o.release(o.rand.IntN(len(o.held)))
	}
}

func (o *model) release(i int) {
	e := o.held[i]
	o.held = slices.Delete(o.held, i, i+1)
	o.m.Release(e)
}

// check compares the map with what it was before the current operation.
func (o *model) check() {
	after, held := maps.Collect(o.m.All()), o.heldKeys()
	require.Len(o.t, after, o.m.Len())
	require.LessOrEqual(o.t, len(after), max(o.max, len(held)))
	for key := range held {
		o.require(after[key] != nil, "dropped in use", key)
	}
	for key, s := range after {
		o.require(s == o.made || s == o.known[key], "came from nowhere", key)
	}

	excess := len(o.known) - o.max
	if o.made != nil {
		excess++
		o.require(after[o.made.key] == o.made, "not inserted", o.made.key)
	}
	needless := 0
	for key, s := range o.known {
		if after[key] != nil {
			continue
		}
		if !o.isIdle(s) {
			needless++
		}
		if o.keep && s.keep {
			o.checkNothingElse(key, after, held)
		}
	}
	require.LessOrEqual(o.t, needless, max(excess, 0), "dropped although there was room")
	o.known = after
}

// checkNothingElse fails if another entry could have been dropped for a kept
// one. It is exact as long as one insertion can review all kept entries.
func (o *model) checkNothingElse(dropped string, after map[string]*state, held map[string]bool) {
	for key, s := range after {
		o.require(s == o.made || held[key] || s.keep, "stayed, and a kept one was dropped: "+dropped, key)
	}
}

// require is for loops, where testify takes too long.
func (o *model) require(ok bool, complaint, key string) {
	if !ok {
		require.Fail(o.t, complaint, "key %q", key)
	}
}

func (o *model) isIdle(s *state) bool {
	return o.idle > 0 && !(o.keep && s.keep) && o.now-o.used[s.key] >= o.idle
}

func (o *model) heldKeys() map[string]bool {
	keys := make(map[string]bool, len(o.held))
	for _, e := range o.held {
		keys[e.Key()] = true
	}
	return keys
}
