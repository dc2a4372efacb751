package ledger_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/examples/payments/ledger"
)

var readings = []struct {
	name       string
	read       func(string, []byte) ([]ledger.Entry, error)
	kind, body string
	want       []ledger.Entry
	err        string
}{
	{"charge", ledger.ReadStripe, "charge.succeeded", charge("1", 5, "eur"), []ledger.Entry{{Payment: "ch_1", Order: "o_1", Currency: "EUR", Amount: 5}}, ""},
	{"refund", ledger.ReadStripe, "refund.created", refund("1", 5), []ledger.Entry{{Payment: "ch_1", Order: "o_1", Currency: "EUR", Amount: -5}}, ""},
	{"customer", ledger.ReadStripe, "customer.created", "{}", nil, ""},
	{"settled", ledger.ReadStandard, "payment.settled", settled("1", 5, "EUR"), []ledger.Entry{{Payment: "p_1", Order: "o_1", Currency: "EUR", Amount: 5}}, ""},
	{"returned", ledger.ReadStandard, "payment.returned", settled("1", 5, "EUR"), []ledger.Entry{{Payment: "p_1", Order: "o_1", Currency: "EUR", Amount: -5}}, ""},
	{"pending", ledger.ReadStandard, "payment.pending", settled("1", 5, "EUR"), nil, ""},
	{"no JSON", ledger.ReadStandard, "payment.settled", "secret", nil, "ledger: the body is no JSON"},
	{"no payment", ledger.ReadStandard, "payment.settled", `{"data":{"amount":5,"currency":"EUR"}}`, nil, "ledger: the event names no payment"},
	{"no currency", ledger.ReadStandard, "payment.settled", `{"data":{"payment":"p","amount":5}}`, nil, "ledger: the currency is no ISO 4217 code"},
	{"lower case", ledger.ReadStandard, "payment.settled", settled("1", 5, "eur"), nil, "ledger: the currency is no ISO 4217 code"},
	{"long currency", ledger.ReadStripe, "charge.succeeded", charge("1", 5, "EURO"), nil, "ledger: the currency is no ISO 4217 code"},
	{"nothing", ledger.ReadStripe, "charge.succeeded", charge("1", 0, "eur"), nil, "ledger: the amount is 0, or greater than 1000000000000"},
	{"most", ledger.ReadStripe, "charge.succeeded", charge("1", 1e12, "eur"), []ledger.Entry{{Payment: "ch_1", Order: "o_1", Currency: "EUR", Amount: 1e12}}, ""},
	{"too much", ledger.ReadStripe, "refund.created", refund("1", 1e12+1), nil, "ledger: the amount is 0, or greater than 1000000000000"},
	{"far too much", ledger.ReadStandard, "payment.settled", `{"data":{"payment":"p","amount":18446744073709551615,"currency":"EUR"}}`, nil, "ledger: the amount is 0, or greater than 1000000000000"},
	{"more than that", ledger.ReadStandard, "payment.settled", `{"data":{"payment":"p","amount":18446744073709551616,"currency":"EUR"}}`, nil, "ledger: data.amount is a number"},
	{"below nothing", ledger.ReadStandard, "payment.returned", settled("1", -5, "EUR"), nil, "ledger: data.amount is a number"},
}

func TestRead(t *testing.T) {
	t.Parallel()
	for _, tt := range readings {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.read(tt.kind, []byte(tt.body))
			require.Equal(t, tt.want, got)
			if tt.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.err)
		})
	}
}

// Whatever is read can be summed up, and an error quotes nothing.
func FuzzRead(f *testing.F) {
	for _, tt := range readings {
		f.Add(tt.kind, tt.body)
	}
	f.Fuzz(func(t *testing.T, kind, body string) {
		for _, read := range []func(string, []byte) ([]ledger.Entry, error){ledger.ReadStripe, ledger.ReadStandard} {
			entries, err := read(kind, []byte(body))
			if err != nil {
				require.Empty(t, entries)
				require.Less(t, len(err.Error()), 200)
				continue
			}
			for _, e := range entries {
				require.True(t, json.Valid([]byte(body)))
				require.NotEmpty(t, e.Payment)
				require.Len(t, e.Currency, 3)
				require.NotZero(t, e.Amount)
				require.LessOrEqual(t, max(e.Amount, -e.Amount), int64(1e12))
			}
		}
	})
}
