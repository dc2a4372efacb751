package providers

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Level says how often the providers fail. The zero value is None.
type Level int

const (
	// None is a world without faults and without rate limits.
	None Level = iota
	// Mild is a bad day: a few percent of the calls fail.
	Mild
	// Harsh is an incident: about every third call fails, often more than once.
	Harsh
)

var levelNames = [...]string{None: "none", Mild: "mild", Harsh: "harsh"}

// String returns the name that [Level.UnmarshalText] reads.
func (l Level) String() string { return levelNames[l] }

// MarshalText returns the level's name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads none, mild or harsh, and nothing else.
func (l *Level) UnmarshalText(text []byte) error {
	for level, name := range levelNames {
		if name == string(text) {
			*l = Level(level)
			return nil
		}
	}
	return errors.New("want none, mild or harsh")
}

// Kind is the way in which a call fails.
type Kind int

const (
	// Healthy calls are answered at once.
	Healthy Kind = iota
	// Unavailable calls get a 503 and no work is done.
	Unavailable
	// Cut calls do their work, but the answer breaks off in the middle of its body.
	Cut
	// Dropped calls do their work, but the connection is reset before the answer.
	Dropped
	// Slow calls do their work, but the answer comes late.
	Slow
)

// Fault is what happens to one call. The zero value is a healthy call.
type Fault struct {
	Kind       Kind
	RetryAfter string        // the header of an Unavailable answer, empty for none
	Delay      time.Duration // how late a Slow answer is
}

// MaxFaults is how many attempts at one operation may fail by plan. A fault that
// outlasts every retry needs a queue or a person, and this world has neither.
const MaxFaults = 5

// odds are the chances, from 0 to 1, that something fails.
type odds struct {
	quota       float64       // share of the rate limit that other programs leave; 0 for no limit
	outage      float64       // of a shard of a provider
	longest     time.Duration // outage; the shortest is a quarter of it
	unavailable float64       // and the others: of one attempt
	cut         float64
	dropped     float64
	slow        float64
}

// A Slow answer is this late: longer than a client that means to try again waits for
// the headers of an answer.
const (
	minDelay = 250 * time.Millisecond
	maxDelay = 400 * time.Millisecond
)

var oddsOf = [...]odds{
	None:  {},
	Mild:  {quota: 0.65, outage: 0.03, longest: 200 * time.Millisecond, unavailable: 0.01, cut: 0.01, dropped: 0.01, slow: 0.01},
	Harsh: {quota: 0.55, outage: 0.12, longest: 400 * time.Millisecond, unavailable: 0.06, cut: 0.06, dropped: 0.06, slow: 0.04},
}

// Plan decides which call meets which fault. Its answers depend on its seed and on
// what is asked, never on the time or on earlier questions, so two shops that place
// the same orders meet the same faults. A Plan is a value, safe for concurrent use.
type Plan struct {
	level Level
	seed  uint64
}

// NewPlan returns the plan of a level and a seed.
func NewPlan(level Level, seed uint64) Plan { return Plan{level: level, seed: seed} }

// Quota returns how many calls in a second a provider lets this program make whose
// manual says perSecond: 0 for any number. When there are faults at all, other
// programs on the same account take a good part of it.
func (p Plan) Quota(perSecond int) int {
	return int(oddsOf[p.level].quota * float64(perSecond))
}

// Fault returns what happens to the given attempt, counted from 1, at an operation
// for an order or a batch with this id.
func (p Plan) Fault(provider, operation, id string, attempt int) Fault {
	if p.level == None || attempt > MaxFaults {
		return Fault{}
	}
	o := oddsOf[p.level]
	r := p.draw(provider, operation, id, attempt)
	x := r.Float64()
	if x -= o.unavailable; x < 0 {
		return unavailable(r)
	}
	if x -= o.cut; x < 0 {
		return Fault{Kind: Cut}
	}
	if x -= o.dropped; x < 0 {
		return Fault{Kind: Dropped}
	}
	if x -= o.slow; x < 0 {
		return Fault{Kind: Slow, Delay: between(r, minDelay, maxDelay)}
	}
	return Fault{}
}

// Shard returns the part of a provider that holds the data of an id: ids that differ
// in the last character only are neighbours on one shard. Orders are placed in the
// order of their ids, so neighbours come at about the same time.
func Shard(id string) string { return id[:max(0, len(id)-1)] }

// Outage returns how long a shard of a provider is down from the first call to it on:
// 0 for most. What is refused in that time comes as a burst of 503s.
func (p Plan) Outage(provider, shard string) time.Duration {
	o := oddsOf[p.level]
	r := p.draw(provider, "outage", shard, 0)
	if r.Float64() >= o.outage {
		return 0
	}
	return between(r, o.longest/4, o.longest)
}

// Refusal returns the 503 that an id gets while its shard is down.
func (p Plan) Refusal(provider, id string) Fault {
	return unavailable(p.draw(provider, "refusal", id, 0))
}

// draw returns the random source of one question.
func (p Plan) draw(provider, operation, id string, attempt int) *rand.Rand {
	question := fmt.Appendf(nil, "%d/%s/%s/%s/%d", p.seed, provider, operation, id, attempt)
	return rand.New(rand.NewChaCha8(sha256.Sum256(question))) //nolint:gosec // a plan is to be repeated, not to be kept secret
}

// unavailable returns a 503. Half of them name no time, most others say "now", and a
// few ask for a second, which is the shortest wait that Retry-After can ask for.
func unavailable(r *rand.Rand) Fault {
	f := Fault{Kind: Unavailable}
	switch n := r.IntN(100); {
	case n < 1:
		f.RetryAfter = "1"
	case n < 50:
		f.RetryAfter = "0"
	}
	return f
}

// between returns a duration that is at least shortest and below longest.
func between(r *rand.Rand, shortest, longest time.Duration) time.Duration {
	return shortest + time.Duration(r.Int64N(int64(longest-shortest)))
}
