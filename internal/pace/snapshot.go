package pace

import "time"

// Snapshot is the state of a Pacer at one time.
type Snapshot struct {
	// InFlight is the cost of the requests that are on their way.
	InFlight Cost

	// Held is the time before which nothing goes because of a throttle, and
	// Strikes how many of them came in a row.
	Held    time.Duration
	Strikes int

	// Restarting says that the bucket feels its way: few requests go ahead, and
	// the others wait for their answers. It is about those that use up no more
	// than themselves.
	Restarting bool

	// Windows are the quotas that are known, in no particular order.
	Windows []Window
}

// Window is what is known of one quota. Negative numbers stand for what is not
// known.
type Window struct {
	Policy, Resource, Partition string

	Unit Unit

	Limit, Remaining float64 // Remaining counts nothing that is on its way
	Length           time.Duration

	// The quota starts anew between From and To. Seen is when the last report
	// of it came.
	From, To, Seen time.Duration

	// Flows says that it fills all the time, rather than at a reset.
	Flows bool
}

// Snapshot returns a copy of the state at now.
func (p *Pacer) Snapshot(now time.Duration) Snapshot {
	s := Snapshot{
		InFlight:   p.flying,
		Held:       p.held,
		Strikes:    int(p.strikes),
		Restarting: p.look(now, Request{Cost: Cost{1}}).restarting,
	}
	for i := range p.windows {
		w := &p.windows[i]
		s.Windows = append(s.Windows, Window{
			Policy: w.id.policy, Resource: w.id.resource, Partition: w.id.partition,
			Unit:  w.id.unit,
			Limit: w.limit, Remaining: w.level(now), Length: w.length,
			From: w.from, To: w.to, Seen: w.seen,
			Flows: w.flows,
		})
	}
	return s
}
