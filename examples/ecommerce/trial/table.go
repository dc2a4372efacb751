package trial

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
)

// WriteTable writes the report for people: the shops side by side, then a line for
// each provider and shop, and the webhooks that came to each shop.
func (r Report) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d orders, seed %d, faults %s\n\n", r.Orders, r.Seed, r.Faults)
	for _, row := range rows {
		fmt.Fprintf(&b, "%-26s", row.name)
		for _, s := range r.Shops {
			fmt.Fprintf(&b, "%12s", row.value(s))
		}
		b.WriteByte('\n')
	}

	fmt.Fprintf(&b, "\n%-12s%-14s%8s%8s%8s%8s%8s%8s\n",
		"provider", "shop", "calls", "5xx", "429", "resets", "slow", "retries")
	for i := range r.Shops[0].Providers {
		for _, s := range r.Shops {
			p := s.Providers[i]
			fmt.Fprintf(&b, "%-12s%-14s%8d%8d%8d%8d%8d%8d\n", p.Provider, s.Shop,
				p.Calls, p.ServerErrors, p.TooManyRequests, p.Resets, p.Slow, p.Retries)
		}
	}
	fmt.Fprintf(&b, "\n%-12s%-14s%8s%8s%8s%8s%8s%8s\n",
		"webhooks", "shop", "events", "sent", "again", "cut", "forged", "refused")
	for _, s := range r.Shops {
		n := s.Webhooks
		fmt.Fprintf(&b, "%-12s%-14s%8d%8d%8d%8d%8d%8d\n", "payments", s.Shop,
			n.Events, n.Sent, n.Duplicates, n.Cut, n.Forged, n.Refused)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// rows are the lines that compare the shops.
var rows = []struct {
	name  string
	value func(Result) string
}{
	{"", func(s Result) string { return s.Shop }},
	{"orders completed", func(s Result) string { return strconv.Itoa(s.Completed) }},
	{"  not confirmed", func(s Result) string { return strconv.Itoa(s.Unconfirmed) }},
	{"orders lost", func(s Result) string { return strconv.Itoa(s.Lost) }},
	{"  paid, never shipped", func(s Result) string { return strconv.Itoa(s.PaidNotShipped) }},
	{"  shipped, never paid", func(s Result) string { return strconv.Itoa(s.ShippedNotPaid) }},
	{"double charges", func(s Result) string { return strconv.Itoa(s.DoubleCharges) }},
	{"payments confirmed once", func(s Result) string { return strconv.Itoa(s.ConfirmedOnce) }},
	{"  booked more than once", func(s Result) string { return strconv.Itoa(s.ConfirmedMore) }},
	{"orders booked wrongly", func(s Result) string { return strconv.Itoa(s.WrongBooks) }},
	{"analytics events lost", func(s Result) string { return strconv.Itoa(s.EventsLost) }},
	{"calls sent", func(s Result) string { return strconv.Itoa(s.Calls) }},
	{"429s received", func(s Result) string { return strconv.Itoa(s.TooManyRequests) }},
	{"p50 of a confirmed order", func(s Result) string { return inMilliseconds(s.P50Milliseconds) }},
	{"p99 of a confirmed order", func(s Result) string { return inMilliseconds(s.P99Milliseconds) }},
	{"all orders", func(s Result) string { return inMilliseconds(s.TookMilliseconds) }},
}

func inMilliseconds(ms float64) string { return fmt.Sprintf("%.0f ms", ms) }
