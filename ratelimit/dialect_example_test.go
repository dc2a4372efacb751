package ratelimit_test

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/holdfast-go/holdfast/ratelimit"
)

// answer makes a response of names and values.
func answer(status int, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h}
}

// Without a dialect, the parser finds out from the header.
func ExampleNewParser() {
	parser, err := ratelimit.NewParser(nil)
	if err != nil {
		panic(err)
	}
	var signal ratelimit.Signal
	parser.Parse(answer(200,
		"X-RateLimit-Limit-Requests", "60",
		"X-RateLimit-Remaining-Requests", "59",
		"X-RateLimit-Reset-Requests", "1s",
		"X-RateLimit-Remaining-Tokens", "149984",
		"X-RateLimit-Reset-Tokens", "6m0s",
	), time.Now(), &signal)
	for _, q := range signal.Quotas {
		fmt.Printf("%v %v left, fresh in %v\n", q.Remaining, q.Unit, q.ResetIn)
	}
	// Output:
	// 59 requests left, fresh in 1s
	// 149984 tokens left, fresh in 6m0s
}

// A preset says what the fields mean where they could mean several things. The
// resets of this server are Unix times; they count from its own Date, so that
// the clock of this machine does not matter.
func ExamplePreset() {
	parser, err := ratelimit.NewParser(ratelimit.GitHub)
	if err != nil {
		panic(err)
	}
	var signal ratelimit.Signal
	date := time.Now().Add(-7 * time.Minute).Truncate(time.Second) // their clock is slow
	parser.Parse(answer(403,
		"Date", date.UTC().Format(http.TimeFormat),
		"X-RateLimit-Limit", "5000",
		"X-RateLimit-Remaining", "0",
		"X-RateLimit-Reset", strconv.FormatInt(date.Add(time.Minute).Unix(), 10),
	), time.Now(), &signal)
	fmt.Println(signal.Throttled, signal.Wait())
	// Output: true 1m0s
}

// A server that nobody has heard of.
func ExampleCustom() {
	parser, err := ratelimit.NewParser(ratelimit.Custom{
		Quotas: []ratelimit.QuotaFields{{
			Window: time.Minute,
			Limit:  "X-Calls-Per-Minute", Remaining: "X-Calls-Left",
			Reset: "X-Calls-Fresh-In-Ms", ResetForm: ratelimit.ResetMillis,
		}},
		Statuses: []int{420},
	})
	if err != nil {
		panic(err)
	}
	var signal ratelimit.Signal
	parser.Parse(answer(420, "X-Calls-Per-Minute", "100", "X-Calls-Left", "0", "X-Calls-Fresh-In-Ms", "1500"), time.Now(), &signal)
	fmt.Println(signal.Throttled, signal.Wait())
	// Output: true 1.5s
}

// What is malformed is ignored, and only that.
func ExampleSignal_malformed() {
	parser, err := ratelimit.NewParser(nil)
	if err != nil {
		panic(err)
	}
	var signal ratelimit.Signal
	parser.Parse(answer(429, "X-RateLimit-Remaining", "7", "X-RateLimit-Reset", "Tue Feb 16 2021 09:02:42 GMT+0100 (CET)"), time.Now(), &signal)
	q := signal.Quotas[0]
	fmt.Println(q.Remaining, "left, reset known:", q.ResetIn >= 0, "ignored:", signal.Malformed)
	// A 429 with quota left: another limit has refused the request.
	fmt.Println("wait known:", signal.Wait() >= 0)
	// Output:
	// 7 left, reset known: false ignored: [X-Ratelimit-Reset]
	// wait known: false
}

// A wrong preset can't be written by accident: the names are constants. A number
// that is none of them, from a configuration file for instance, is an error.
func ExampleNewParser_incorrect() {
	_, err := ratelimit.NewParser(ratelimit.Preset(200))
	fmt.Println(err)
	// Output: ratelimit: no such dialect: Preset(200)
}
