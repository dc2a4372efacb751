package scenario

import (
	"bytes"
	"net/http"
	"slices"

	"github.com/holdfast-go/holdfast/internal/bench/subject"
)

// All returns the scenarios, in the order of the report.
func All() []Scenario { return slices.Concat(wholes(), parts(), receivers()) }

// wholes compare ways to do all of the work.
func wholes() []Scenario {
	var (
		stack = []subject.Subject{
			subject.Bare(), subject.Glue(), subject.GlueLoop(), subject.Holdfast(), subject.HoldfastSmall(),
			subject.Failsafe(), subject.Retryable(),
		}
		all = slices.Concat(stack, []subject.Subject{
			subject.HoldfastRetry(), subject.HoldfastLimit(), subject.HoldfastBreaker(),
		})
		retries = []subject.Subject{
			subject.BareLoop(), subject.Glue(), subject.GlueLoop(), subject.Holdfast(), subject.Failsafe(),
			subject.Retryable(), subject.HoldfastRetry(),
		}
		keyed = []subject.Subject{subject.Bare(), subject.Glue(), subject.GlueLoop(), subject.Holdfast()}
		page  = kibibyte()
		sorry = []byte(`{"error":{"code":"overloaded","message":"Try again later."}}`)
	)
	return []Scenario{
		{Name: "happy", About: "GET, 200 without a body", Subjects: all, hosts: 1},
		{Name: "happy-body", About: "GET, 200 with 1 KiB that is read and closed", Subjects: all, answer: page, hosts: 1},
		{Name: "failure", About: "GET, 503 twice, then 200, no bodies, no delay", Subjects: retries, Failures: 2, hosts: 1},
		{
			Name: "failure-body", About: "GET, 503 twice with 60 bytes, then 200 with 1 KiB, no delay",
			Subjects: retries, Failures: 2, answer: page, sorry: sorry, hosts: 1,
		},
		{
			Name: "post", About: "POST of 1 MiB with GetBody, 200 without a body",
			Subjects: all, payload: bytes.Repeat(page, 1<<10), hosts: 1,
		},
		{
			Name: "parallel", About: "GET, 200 without a body, GOMAXPROCS callers, one host",
			Subjects: stack, Parallel: true, hosts: 1,
		},
		{
			Name: "parallel-hosts", About: "GET, 200 without a body, GOMAXPROCS callers, 1000 hosts in turn",
			Subjects: keyed, Parallel: true, hosts: 1000,
		},
	}
}

// parts compare each part of holdfast with its closest peer, once with one
// caller and once with several.
func parts() []Scenario {
	limiters := []subject.Subject{
		subject.Bare(), subject.Rate(), subject.HoldfastLimit(), subject.FailsafeLimit(),
	}
	var all []Scenario
	for _, s := range []Scenario{
		{
			Name: "circuit", About: "GET, 200 without a body, a closed circuit", Baseline: "gobreaker",
			Subjects: []subject.Subject{
				subject.Bare(), subject.Gobreaker(), subject.GobreakerTwoStep(), subject.HoldfastBreaker(),
				subject.FailsafeBreaker(),
			},
		},
		{
			Name: "limit", About: "GET, 200 without a body, a limiter in which nobody waits",
			Baseline: "x-time-rate", Subjects: append(slices.Clip(limiters), subject.HoldfastLimitSmall()),
		},
		{
			Name: "quota", About: "GET, 200 with a quota in its header as GitHub tells it, a limiter in which nobody waits",
			Baseline: "x-time-rate", Subjects: limiters, quota: true,
		},
		{
			Name: "token", About: "GET with two fields and a cached bearer token, 200 without a body", Baseline: "x-oauth2",
			Subjects: []subject.Subject{subject.Bare(), subject.OAuth2(), subject.HoldfastAuth()},
			fields:   http.Header{"Accept": {"application/json"}, "User-Agent": {"bench/1.0"}},
		},
	} {
		s.hosts = 1
		all = append(all, s)
		s.Name, s.About, s.Parallel = s.Name+"-parallel", s.About+", GOMAXPROCS callers", true
		all = append(all, s)
	}
	return all
}

// receivers compare ways to verify a webhook.
func receivers() []Scenario {
	return []Scenario{{
		Name: "verify", About: "a webhook of 1 KiB with a good HMAC-SHA256", Baseline: "crypto-hmac",
		Subjects: []subject.Subject{
			subject.HMAC(), subject.HoldfastGitHub(), subject.HoldfastStripe(), subject.HoldfastStandard(),
			subject.GoGitHub(), subject.GoStripe(), subject.StandardWebhooks(),
		},
		delivery: kibibyte(),
	}}
}

func kibibyte() []byte { return bytes.Repeat([]byte("0123456789abcdef"), 64) }
