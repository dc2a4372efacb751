package pace_test

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"github.com/holdfast-go/holdfast/internal/pace"
)

const (
	ms  = time.Millisecond
	sec = time.Second
)

// world is simulated time: events that happen in order, none of them takes any.
type world struct {
	now    time.Duration
	end    time.Duration
	events events
	random *rand.Rand
}

type event struct {
	at  time.Duration
	seq int
	do  func()
}

type events struct {
	list []event
	seq  int
}

func (e *events) Len() int { return len(e.list) }
func (e *events) Less(i, j int) bool {
	a, b := e.list[i], e.list[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}
func (e *events) Swap(i, j int) { e.list[i], e.list[j] = e.list[j], e.list[i] }
func (e *events) Push(x any)    { e.list = append(e.list, x.(event)) }
func (e *events) Pop() any {
	last := e.list[len(e.list)-1]
	e.list = e.list[:len(e.list)-1]
	return last
}

func (w *world) at(t time.Duration, do func()) {
	w.events.seq++
	heap.Push(&w.events, event{max(t, w.now), w.events.seq, do})
}

func (w *world) run() {
	for w.events.Len() > 0 {
		e := heap.Pop(&w.events).(event)
		if e.at >= w.end {
			return
		}
		w.now = e.at
		e.do()
	}
}

// between is a random time from least to most.
func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.random.Int64N(int64(most-least)))
}

// answer is what a client sees of an answer: quotas as a parser would make of
// the fields, and the same as plain numbers for those who read them naively.
type answer struct {
	throttled bool
	quota     pace.Quota
	resetAt   time.Duration // by the clock of the server, in whole seconds
}

// server decides at the time when a request comes to it.
type server interface {
	serve(now time.Duration) answer
}

// strategy decides for the requests of one client.
type strategy interface {
	// next is how long the next request has to wait; 0: it goes now.
	next(now time.Duration) time.Duration
	sent(now time.Duration) *pace.Ticket
	answered(now time.Duration, t *pace.Ticket, a answer)
}

// client has workers that send whenever they are idle and its strategy lets
// them.
type client struct {
	world    *world
	server   server
	strategy strategy
	idle     int
	wake     time.Duration // of the timer that runs; negative: none
	least    time.Duration // of a way, to the server or back
	most     time.Duration

	ok, refused int
	perSecond   map[time.Duration]int // of what the server saw
}

func (w *world) newClient(s server, strategy strategy, workers int) *client {
	c := &client{
		world: w, server: s, strategy: strategy, idle: workers, wake: -1,
		least: 20 * ms, most: 400 * ms, perSecond: map[time.Duration]int{},
	}
	w.at(0, c.dispatch)
	return c
}

func (c *client) dispatch() {
	for c.idle > 0 {
		wait := c.strategy.next(c.world.now)
		if wait > 0 {
			c.sleep(c.world.now + wait)
			return
		}
		c.send()
	}
}

func (c *client) sleep(until time.Duration) {
	if c.wake > c.world.now && c.wake <= until {
		return
	}
	c.wake = until
	c.world.at(until, func() {
		if c.wake == until {
			c.wake = -1
			c.dispatch()
		}
	})
}

func (c *client) send() {
	c.idle--
	t := c.strategy.sent(c.world.now)
	c.world.at(c.world.now+c.world.between(c.least, c.most), func() {
		a := c.server.serve(c.world.now)
		c.perSecond[c.world.now/sec]++
		if a.throttled {
			c.refused++
		} else {
			c.ok++
		}
		c.world.at(c.world.now+c.world.between(c.least, c.most), func() {
			c.idle++
			c.strategy.answered(c.world.now, t, a)
			c.dispatch()
		})
	})
}

func (c *client) peak() int {
	most := 0
	for _, n := range c.perSecond {
		most = max(most, n)
	}
	return most
}

// foreign is somebody else on the same quota, who wants about three requests per
// second and does not look at any header.
type foreign struct{ wanted, ok int }

func (w *world) newForeign(s server, perSecond float64) *foreign {
	f := &foreign{}
	mean := float64(sec) / perSecond
	var next func()
	next = func() {
		f.wanted++
		if !s.serve(w.now).throttled {
			f.ok++
		}
		w.at(w.now+time.Duration(w.random.ExpFloat64()*mean), next)
	}
	w.at(time.Duration(w.random.ExpFloat64()*mean), next)
	return f
}
