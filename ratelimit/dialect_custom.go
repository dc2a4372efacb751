package ratelimit

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-go/holdfast/internal/header"
)

// Custom is a dialect of your own. It reads the fields that it names, and
// Retry-After. Field names are written in any case.
type Custom struct {
	// Quotas are the limits that the server tells.
	Quotas []QuotaFields
	// RetryAfter is a field with the time to wait after a request was
	// throttled. It has precedence over the standard field of that name. Empty
	// means that there is none.
	RetryAfter string
	// RetryAfterForm is how RetryAfter is written.
	RetryAfterForm ResetForm
	// Statuses, from 400 to 599, mean that a request was throttled, besides
	// those that always do: 429 and 529, and 403 and 503 with evidence.
	Statuses []int
	// Bucket, Scope and Reason are fields with the names that [Signal] has for
	// them; Cost is one with a number. Empty means that there is none.
	Bucket, Scope, Reason, Cost string
}

// QuotaFields names the fields that tell one [Quota]. One of Limit, Remaining
// and Used is needed.
type QuotaFields struct {
	// Policy is the Quota's, to tell it from others in the same answer.
	Policy string
	// Unit is what the numbers count.
	Unit Unit
	// Window is how long Limit is for; 0 means unknown.
	Window time.Duration
	// Limit, Remaining and Used are fields with numbers.
	Limit, Remaining, Used string
	// Reset is a field with the time at which the quota is fresh again.
	Reset string
	// ResetForm is how Reset is written.
	ResetForm ResetForm
}

// grammar checks c and translates it.
func (c Custom) grammar() (*grammar, error) {
	var g grammar
	var errs []error
	field := func(where, name string) string {
		if name != "" && !header.IsToken(name) {
			errs = append(errs, fmt.Errorf("ratelimit: %s: %q is not a field name", where, name))
		}
		return http.CanonicalHeaderKey(name)
	}
	list := func(where, name string) []string {
		if name == "" {
			return nil
		}
		return []string{field(where, name)}
	}
	for i, q := range c.Quotas {
		at := fmt.Sprintf("Custom.Quotas[%d]", i)
		errs = append(errs, q.check(at)...)
		g.quotas = append(g.quotas, quotaFields{
			policy: q.Policy, unit: q.Unit, window: q.Window,
			limit: field(at+".Limit", q.Limit), remaining: field(at+".Remaining", q.Remaining),
			used: field(at+".Used", q.Used), reset: field(at+".Reset", q.Reset), resetAs: q.ResetForm,
		})
	}
	if !header.Form(c.RetryAfterForm).Valid() {
		errs = append(errs, fmt.Errorf("ratelimit: Custom.RetryAfterForm: no such form: %d", c.RetryAfterForm))
	}
	if c.RetryAfter != "" {
		g.waits = []waitField{{field("Custom.RetryAfter", c.RetryAfter), c.RetryAfterForm}}
	}
	for _, status := range c.Statuses {
		if status < 400 || status > 599 {
			errs = append(errs, fmt.Errorf("ratelimit: Custom.Statuses: %d is not the status of an error", status))
		}
	}
	g.statuses = append(g.statuses, c.Statuses...)
	g.bucket = list("Custom.Bucket", c.Bucket)
	g.scope = list("Custom.Scope", c.Scope)
	g.reason = list("Custom.Reason", c.Reason)
	g.cost = list("Custom.Cost", c.Cost)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &g, nil
}

// check returns an error for each mistake that is not in a name.
func (q *QuotaFields) check(at string) []error {
	var errs []error
	if q.Limit == "" && q.Remaining == "" && q.Used == "" {
		errs = append(errs, fmt.Errorf("ratelimit: %s: needs Limit, Remaining or Used", at))
	}
	if q.Unit >= units {
		errs = append(errs, fmt.Errorf("ratelimit: %s.Unit: no such unit: %d", at, q.Unit))
	}
	if q.Window < 0 {
		errs = append(errs, fmt.Errorf("ratelimit: %s.Window: %v is negative", at, q.Window))
	}
	if !header.Form(q.ResetForm).Valid() {
		errs = append(errs, fmt.Errorf("ratelimit: %s.ResetForm: no such form: %d", at, q.ResetForm))
	}
	return errs
}
