// Package pace works out how fast requests may go to a server that tells what
// is left of its quotas, and from when.
//
//	rules, err := pace.NewRules(pace.Config{})
//	...
//	p := rules.NewPacer()
//	plan := p.Plan(now, request)     // not before plan.Until, at plan.Rate and plan.Burst
//	ticket := p.Sent(now, request)   // it is on its way
//	p.Observe(now, &ticket, quotas, pace.Answer{})
//	p.Done(now, &ticket, pace.Answered)
//
// It only computes: the time is an argument, and there is no clock, no timer, no
// lock and no goroutine. So it stands by itself and can be run through simulated
// hours. Package ratelimit queues the requests and applies the plan.
//
// # What an answer is worth
//
// An answer is old when it comes: the server had counted some of the requests
// that are on their way, and not the others. All of them are taken off what
// remains.
//
// Answers overtake each other. A reset that comes with an answer was counted
// from some time between sending and receipt, and rounded to seconds; so it
// gives a range in which the reset lies, at most the length of the window after
// receipt. If the ranges of two answers overlap, they speak of the same window:
// what remains there only falls, the range becomes what both have in common, and
// the order of the answers does not matter. A range that lies wholly later opens
// a new window. One that lies wholly earlier is late news and is dropped. Nothing
// is compared with the clock of the server or of the calendar.
//
// A request whose answer tells of no quota, or that never had one, is taken off
// as well, until an answer to a later request shows what the server made of it.
//
// A quota that is spent and says no reset is asked for again after a second, and
// then each time after a quarter of the time for which it was known, up to a minute.
//
// # What flows
//
// Token buckets and sliding windows have no reset at which all comes back. They
// show it in one of four ways: they tell their fill rate, their reset moves
// before it can have come, more remains after an answer than before, where no
// reset lies between, or a reset has come and brought nothing back. Then the
// latest answer is believed in place of the lowest, and when nothing is left, a
// single request looks again after a tenth of the window.
//
// # What slides
//
// A bucket is full after a time that is the same for each unit that is gone.
// Where the times that are told differ by more than a factor of two, the quota is
// a window that slides: it forgets each request when it is as old as the window
// is long. Then what was sent, in 32 parts of that time, tells what comes back
// while an answer is on its way, and when something will be left again. What is
// gone and was not sent from here went to others.
//
// What is left of such a window is left for nothing, so next to nothing is: a
// fiftieth, and some more where others use it. Each request that is refused all
// the same has one unit more kept back, and each two hundred that are sent one
// unit less.
//
// # What is always 0
//
// Some servers tell with each answer that nothing remains, and serve all the same.
// After three such answers, each to a request sent after the one before, a
// remaining that was never more than 0 is no longer believed, if the limit is 2 or
// more. The pace doubles with each further answer, up to the limit by its length.
// After a refusal at that pace it starts from a slow one again. A refusal at a slower one
// has it believed again, for twice as many answers as before.
//
// # How fast
//
// [Spread] divides what is free by the time to the reset. What others take from
// the same quota shows as units that are gone and that no request here used; the
// rate leaves them as much, but at most half, so that programs that are polite
// to each other use all of it. [Burst] leaves nothing, and [Threshold] nothing
// but the last fifth. Of a window that slides, the rate is its limit by its
// length, less what others use, but always a bit more than before: so those who
// got less catch up. A bucket is used as if the time at which it is full were its
// reset, which makes all who share it slow down in time.
//
// No plan is faster than Config.Rate. Once a window has shown its size, the next
// is believed to be at most twice as large.
//
// # Finding out
//
// When nothing is known (at the start, after a window that ended low, after a
// pause) one request goes, and the others wait for its answer. While none
// comes, twice as many may be on their way after each Config.ProbeTimeout. After
// a throttle the same goes on for a while: each answer allows one more to be on
// its way, times what waiting for slow ones has doubled it by, and they go
// one by one.
//
// [Spread] does not stop where a window ends in whose beginning it has sent.
// Those requests are forgotten by then, whether the window is fixed or slides, so
// as many may go, as evenly as those went.
//
// # Throttles
//
// A throttle holds the bucket for its Retry-After; without one, until the reset
// of what is spent; without either, for a random time up to an end that doubles
// with each throttle in a row. From the second in a row on, that is also the
// least; but if something was served since the last, what is asked for is enough,
// and what is drawn does not grow beyond the third: such a server refuses what is
// too much. Requests that were on their way together count as one throttle. While a quota is known to
// be spent, the pauses of a row do not outgrow a quarter of the time that it lasts.
//
// A hold is never shortened by a later answer. No wait is longer than
// Config.MaxWait: after it one request goes and asks. A plan tells when the
// server is believed to serve again, so that the caller can refuse at once.
//
// # What it can't do
//
// It believes that the server counts a request between sending and answer.
// Where many more requests are on their way than the quota has room for, because
// answers are slow and the quota is small, a part of the quota stays unused.
//
// A window of a second or two is not seen to slide, because resets are told in
// whole seconds. What is spent of it is looked at by a single request from when its
// reset was told to be. Servers that round down refuse some of these requests.
//
// All windows of a Pacer bind all of its requests. Which requests share a bucket
// is for the caller to know. A quota of concurrent requests is none of its
// business: it has neither a rate nor a reset.
package pace
