package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// maxAmount is the greatest amount that an event may name, so that sums do not
// overflow.
const maxAmount = 1_000_000_000_000

// Entry is one line of the ledger.
type Entry struct {
	Payment  string // ID of the payment at its source
	Order    string // ID of the order that was paid, empty if the event does not name it
	Currency string // ISO 4217, such as EUR
	Amount   int64  // in the smallest unit of the currency; below 0 for a refund
}

// check refuses entries that nobody could book. Its errors quote nothing: they are
// stored, and logged.
func (e Entry) check() error {
	letters := strings.Trim(e.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
	switch {
	case e.Payment == "":
		return errors.New("ledger: the event names no payment")
	case len(e.Currency) != 3 || !letters:
		return errors.New("ledger: the currency is no ISO 4217 code")
	case e.Amount == 0 || e.Amount > maxAmount || e.Amount < -maxAmount:
		return fmt.Errorf("ledger: the amount is 0, or greater than %d", int64(maxAmount))
	}
	return nil
}

// one returns an entry in the form that a Source.Read returns.
func one(e Entry) ([]Entry, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	return []Entry{e}, nil
}

// ReadStripe reads the events charge.succeeded and refund.created of Stripe. Others
// have no entries. The order is that of the metadata.
func ReadStripe(kind string, body []byte) ([]Entry, error) {
	sign := map[string]int64{"charge.succeeded": 1, "refund.created": -1}[kind]
	if sign == 0 {
		return nil, nil
	}
	var event struct {
		Data struct {
			Object struct {
				ID       string `json:"id"`
				Charge   string `json:"charge"` // of a refund
				Amount   uint64 `json:"amount"`
				Currency string `json:"currency"`
				Metadata struct {
					Order string `json:"order"`
				} `json:"metadata"`
			} `json:"object"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return nil, unreadable(err)
	}
	o := event.Data.Object
	payment := o.ID
	if sign < 0 {
		payment = o.Charge
	}
	return one(Entry{payment, o.Metadata.Order, strings.ToUpper(o.Currency), sign * bounded(o.Amount)})
}

// ReadStandard reads the events payment.settled and payment.returned, in the form that
// the Standard Webhooks specification recommends. Others have no entries.
func ReadStandard(kind string, body []byte) ([]Entry, error) {
	sign := map[string]int64{"payment.settled": 1, "payment.returned": -1}[kind]
	if sign == 0 {
		return nil, nil
	}
	var event struct {
		Data struct {
			Payment  string `json:"payment"`
			Order    string `json:"order"`
			Amount   uint64 `json:"amount"`
			Currency string `json:"currency"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return nil, unreadable(err)
	}
	d := event.Data
	return one(Entry{d.Payment, d.Order, d.Currency, sign * bounded(d.Amount)})
}

// bounded keeps a great amount too great.
func bounded(amount uint64) int64 { return int64(min(amount, maxAmount+1)) }

// unreadable says where a body could not be read, and not what is there.
func unreadable(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("ledger: %s is a %s", wrong.Field, wrong.Value)
	}
	return errors.New("ledger: the body is no JSON")
}
