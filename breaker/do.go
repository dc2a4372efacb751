package breaker

import "context"

// Do calls fn if the circuit of key lets it, and reports how it went. It is for
// work that is not an HTTP request. Without a Config.Key, a key such as
// "https://api.example.com" is the circuit of that origin, and any other one
// that no request has; with it, requests share the circuits of the keys that it
// returns.
//
// A refused call returns an [*OpenError] and does not call fn. Otherwise Do
// returns what fn returned: nil is a success, an error what Config.Classify
// says, and without it a failure, unless ctx is over or something below has
// refused the call. A panic of fn is a failure and goes on.
func (b *Breaker) Do(ctx context.Context, key string, fn func(context.Context) error) error {
	entry := b.circuits.Acquire(b.named(key), noTime)
	defer b.circuits.Release(entry)
	out := outcome{breaker: b, entry: entry, ctx: ctx}
	if refused := b.admit(&out); refused != nil {
		entry.Value().tell()
		return b.refuse(refused)
	}
	verdict := Neither // until fn is called
	defer func() { out.report(verdict, nil) }()
	entry.Value().tell()
	out.start()
	verdict = Failure // unless it returns
	err := fn(ctx)
	if verdict = Success; err != nil {
		verdict = Failure // should Classify panic
		verdict = out.blame(err)
	}
	return err
}
