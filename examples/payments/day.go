package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// day is what the providers send on one day, with all that can go wrong on the way.
type day struct {
	sendings []sending // in the order in which they go out
	events   int       // that are true, each of them sent at least once
	copies   int
	forged   int
	altered  int
	balances map[string]int64 // as they must be in the end
}

// sending is one request that is on its way to the ledger.
type sending struct {
	source, id, body string
	forged           bool // signed by somebody who does not know the secret
	altered          bool // changed after it was signed
}

// missing is the currency that nobody has opened an account for.
const missing = "GBP"

// newDay makes up a day. The same seed makes the same one.
func newDay(seed uint64, payments int) *day {
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // it is to be repeated, not to be kept secret
	d := &day{balances: map[string]int64{"EUR": 0, "USD": 0, missing: 0}}
	for i := range payments {
		source := []string{"stripe", "bank"}[i%2]
		currency := []string{"EUR", "EUR", "USD"}[r.IntN(3)]
		if i%100 == 7 {
			currency = missing
		}
		amount := 100 + r.Int64N(100_000)
		d.add(r, source, fmt.Sprintf("p%d", i), currency, amount)
		if r.IntN(5) == 0 {
			d.add(r, source, fmt.Sprintf("p%d", i), currency, -amount)
		}
	}
	// A refund may come before its payment, and a copy long after the first.
	r.Shuffle(len(d.sendings), func(i, j int) { d.sendings[i], d.sendings[j] = d.sendings[j], d.sendings[i] })
	return d
}

// add adds an event, its copies, and what others make of it.
func (d *day) add(r *rand.Rand, source, payment, currency string, amount int64) {
	d.events++
	d.balances[currency] += amount
	s := event(source, payment, currency, amount)
	d.sendings = append(d.sendings, s)
	for chance := r.IntN(10); chance < 4; chance += 2 {
		d.copies++
		d.sendings = append(d.sendings, s)
	}
	switch r.IntN(10) {
	case 0:
		d.forged++
		forgery := event(source, "forged-"+payment, currency, 1_000_000)
		forgery.forged = true
		d.sendings = append(d.sendings, forgery)
	case 1:
		d.altered++
		s.altered = true
		d.sendings = append(d.sendings, s)
	}
}

// event is an event in the words of its source.
func event(source, payment, currency string, amount int64) sending {
	if source == "bank" {
		kind := "payment.settled"
		if amount < 0 {
			kind, amount = "payment.returned", -amount
		}
		return sending{source: source, id: "msg_" + strings.ReplaceAll(kind, ".", "_") + "_" + payment, body: fmt.Sprintf(
			`{"type":%q,"data":{"payment":%q,"order":%q,"amount":%d,"currency":%q}}`, kind, payment, "order-"+payment, amount, currency)}
	}
	kind, object := "charge.succeeded", fmt.Sprintf(`"id":"ch_%s","amount":%d`, payment, amount)
	if amount < 0 {
		kind, object = "refund.created", fmt.Sprintf(`"id":"re_%s","charge":"ch_%s","amount":%d`, payment, payment, -amount)
	}
	return sending{source: source, body: fmt.Sprintf(
		`{"id":"evt_%s_%s","type":%q,"data":{"object":{%s,"currency":%q,"metadata":{"order":"order-%s"}}}}`,
		kind, payment, kind, object, strings.ToLower(currency), payment)}
}
