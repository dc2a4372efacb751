package ratelimit_test

import (
	"time"

	"github.com/holdfast-go/holdfast/ratelimit"
)

// Every preset with the fields that its server documents or has sent. Each
// answer is read once as its preset and once without being told.
var answers = map[string]struct {
	preset ratelimit.Preset
	status int
	at     time.Time // zero: received
	lines  string    // separated by |
	quotas []ratelimit.Quota
	more   func(s *ratelimit.Signal) // sets what else is expected
	auto   bool                      // Auto says something else, see TestAuto
}{
	"IETF 00 to 03": {
		preset: ratelimit.IETF,
		lines:  "RateLimit-Limit: 10, 10;w=1, 50;w=60, 1000;w=3600;comment=\"slow\" | RateLimit-Remaining: 9 | RateLimit-Reset: 1",
		quotas: []ratelimit.Quota{
			quota(func(q *ratelimit.Quota) { q.Limit, q.Remaining, q.Window, q.ResetIn = 10, 9, time.Second, time.Second }),
			quota(func(q *ratelimit.Quota) { q.Limit, q.Window = 50, time.Minute }),
			quota(func(q *ratelimit.Quota) { q.Limit, q.Window = 1000, time.Hour }),
		},
	},
	"IETF 04 to 06": {
		preset: ratelimit.IETF,
		lines:  "RateLimit-Policy: 100;w=60, 10;w=1 | RateLimit-Limit: 100 | RateLimit-Remaining: 50 | RateLimit-Reset: 30",
		quotas: []ratelimit.Quota{
			quota(func(q *ratelimit.Quota) {
				q.Limit, q.Remaining, q.Window, q.ResetIn = 100, 50, time.Minute, 30*time.Second
			}),
			quota(func(q *ratelimit.Quota) { q.Limit, q.Window = 10, time.Second }),
		},
	},
	"IETF 07": {
		preset: ratelimit.IETF,
		lines:  "RateLimit: limit=100, remaining=50, reset=5 | RateLimit-Policy: 100;w=60",
		quotas: []ratelimit.Quota{quota(func(q *ratelimit.Quota) {
			q.Limit, q.Remaining, q.Window, q.ResetIn = 100, 50, time.Minute, 5*time.Second
		})},
	},
	"IETF 08 to 10": {
		preset: ratelimit.IETF,
		lines:  `RateLimit-Policy: "burst";q=100;w=60;qu="requests";pk=:QUJD:, "bytes";q=5000;w=3600;qu="content-bytes" | RateLimit: "burst";r=50;t=30;pk=:QUJD:, "bytes";r=0`,
		quotas: []ratelimit.Quota{
			quota(func(q *ratelimit.Quota) {
				q.Policy, q.Partition, q.Limit, q.Remaining = "burst", "QUJD", 100, 50
				q.Window, q.ResetIn = time.Minute, 30*time.Second
			}),
			quota(func(q *ratelimit.Quota) {
				q.Policy, q.Unit, q.Limit, q.Remaining, q.Window = "bytes", ratelimit.ContentBytes, 5000, 0, time.Hour
			}),
		},
	},
	"GitHub": {
		preset: ratelimit.GitHub, status: 403, at: time.Unix(1691591300, 0),
		lines: "x-ratelimit-limit: 5000 | x-ratelimit-remaining: 0 | x-ratelimit-used: 5000 | x-ratelimit-reset: 1691591363 | x-ratelimit-resource: core",
		quotas: []ratelimit.Quota{quota(func(q *ratelimit.Quota) {
			q.Resource, q.Limit, q.Remaining, q.Used, q.ResetIn = "core", 5000, 0, 5000, 63*time.Second
		})},
		more: func(s *ratelimit.Signal) { s.Throttled = true },
	},
	"GitHub GraphQL": {
		preset: ratelimit.GitHub, at: time.Unix(1691591300, 0),
		lines: "x-ratelimit-limit: 5000 | x-ratelimit-remaining: 4900 | x-ratelimit-reset: 1691591363 | x-ratelimit-resource: graphql",
		quotas: []ratelimit.Quota{quota(func(q *ratelimit.Quota) {
			q.Resource, q.Unit, q.Limit, q.Remaining, q.ResetIn = "graphql", ratelimit.Points, 5000, 4900, 63*time.Second
		})},
	},
	"GitLab": {
		preset: ratelimit.GitLab, at: time.Unix(1563325100, 0),
		lines: "RateLimit-Limit: 600 | RateLimit-Observed: 6 | RateLimit-Remaining: 594 | RateLimit-Reset: 1563325137 | RateLimit-ResetTime: Wed, 17 Jul 2019 00:58:57 GMT",
		quotas: []ratelimit.Quota{quota(func(q *ratelimit.Quota) {
			q.Limit, q.Used, q.Remaining, q.ResetIn = 600, 6, 594, 37*time.Second
		})},
	},
	"GitLab, refused by another limiter": {
		preset: ratelimit.GitLab, status: 429, at: time.Unix(1580393700, 0),
		lines: "RateLimit-Limit: 600 | RateLimit-Observed: 5 | RateLimit-Remaining: 595 | RateLimit-Reset: 1580393717",
		quotas: []ratelimit.Quota{quota(func(q *ratelimit.Quota) {
			q.Limit, q.Used, q.Remaining, q.ResetIn = 600, 5, 595, 17*time.Second
		})},
		more: func(s *ratelimit.Signal) { s.Throttled = true },
	},
	"Stripe": {
		preset: ratelimit.Stripe, status: 429,
		lines: "Stripe-Rate-Limited-Reason: global-rate",
		more:  func(s *ratelimit.Signal) { s.Throttled, s.Reason = true, "global-rate" },
	},
	"Shopify": {
		preset: ratelimit.Shopify,
		lines:  "X-Shopify-Shop-Api-Call-Limit: 32/40",
		quotas: []ratelimit.Quota{quota(func(q *ratelimit.Quota) { q.Limit, q.Used, q.Remaining, q.FillRate = 40, 32, 8, 2 })},
	},
	"Shopify, refused": {
		preset: ratelimit.Shopify, status: 429,
		lines:  "X-Shopify-Shop-Api-Call-Limit: 41/40 | Retry-After: 2.0",
		quotas: []ratelimit.Quota{quota(func(q *ratelimit.Quota) { q.Limit, q.Used, q.Remaining, q.FillRate = 40, 41, 0, 2 })},
		more:   func(s *ratelimit.Signal) { s.Throttled, s.RetryAfter = true, 2*time.Second },
	},
	"Slack": {
		preset: ratelimit.Slack, status: 429, lines: "Retry-After: 30",
		more: func(s *ratelimit.Signal) { s.Throttled, s.RetryAfter = true, 30*time.Second },
	},
	"Notion, overloaded": {
		preset: ratelimit.Notion, status: 529, lines: "Retry-After: 5",
		more: func(s *ratelimit.Signal) { s.Throttled, s.RetryAfter = true, 5*time.Second },
	},
	"Spotify": {
		preset: ratelimit.Spotify, status: 429, lines: "Retry-After: 1",
		more: func(s *ratelimit.Signal) { s.Throttled, s.RetryAfter = true, time.Second },
	},
	"Dropbox": {
		preset: ratelimit.Dropbox, status: 429, lines: "Retry-After: 300",
		more: func(s *ratelimit.Signal) { s.Throttled, s.RetryAfter = true, 5*time.Minute },
	},
	"Salesforce Marketing Cloud": {
		preset: ratelimit.SalesforceMarketing, status: 429, lines: "Retry-After: 5",
		more: func(s *ratelimit.Signal) { s.Throttled, s.RetryAfter = true, 5*time.Second },
	},
	"X": {
		preset: ratelimit.Twitter, at: time.Unix(1705420000, 0),
		lines:  "x-rate-limit-limit: 900 | x-rate-limit-remaining: 847 | x-rate-limit-reset: 1705420800",
		quotas: []ratelimit.Quota{left(900, 847, 800*time.Second)},
	},
	"Reddit": {
		preset: ratelimit.Reddit,
		lines:  "X-Ratelimit-Used: 2 | X-Ratelimit-Remaining: 598.0 | X-Ratelimit-Reset: 271",
		quotas: []ratelimit.Quota{quota(func(q *ratelimit.Quota) { q.Used, q.Remaining, q.ResetIn = 2, 598, 271*time.Second })},
	},
	"OpenAI": {
		preset: ratelimit.OpenAI,
		lines:  "x-ratelimit-limit-requests: 60 | x-ratelimit-remaining-requests: 59 | x-ratelimit-reset-requests: 1s | x-ratelimit-limit-tokens: 150000 | x-ratelimit-remaining-tokens: 149984 | x-ratelimit-reset-tokens: 6m0s",
		quotas: []ratelimit.Quota{
			left(60, 59, time.Second),
			quota(func(q *ratelimit.Quota) {
				q.Unit, q.Limit, q.Remaining, q.ResetIn = ratelimit.Tokens, 150000, 149984, 6*time.Minute
			}),
		},
	},
	"Anthropic": {
		preset: ratelimit.Anthropic, at: time.Date(2025, 8, 21, 12, 41, 3, 0, time.UTC),
		lines: "date: Thu, 21 Aug 2025 12:41:00 GMT | anthropic-ratelimit-requests-limit: 1000 | anthropic-ratelimit-requests-remaining: 999 | anthropic-ratelimit-requests-reset: 2025-08-21T12:40:59Z | anthropic-ratelimit-input-tokens-limit: 80000 | anthropic-ratelimit-input-tokens-remaining: 80000 | anthropic-ratelimit-input-tokens-reset: 2025-08-21T12:41:59Z",
		quotas: []ratelimit.Quota{
			left(1000, 999, 0), // its reset was already past
			quota(func(q *ratelimit.Quota) {
				q.Unit, q.Limit, q.Remaining, q.ResetIn = ratelimit.InputTokens, 80000, 80000, 59*time.Second
			}),
		},
	},
	"Okta": {
		preset: ratelimit.Okta, at: time.Unix(1609459170, 0),
		lines:  "X-Rate-Limit-Limit: 1200 | X-Rate-Limit-Remaining: 1199 | X-Rate-Limit-Reset: 1609459200",
		quotas: []ratelimit.Quota{left(1200, 1199, 30*time.Second)},
	},
	"HubSpot": {
		preset: ratelimit.HubSpot,
		lines:  "X-HubSpot-RateLimit-Daily: 500000 | X-HubSpot-RateLimit-Daily-Remaining: 499000 | X-HubSpot-RateLimit-Secondly: 10 | X-HubSpot-RateLimit-Secondly-Remaining: 9 | X-HubSpot-RateLimit-Max: 100 | X-HubSpot-RateLimit-Remaining: 98 | X-HubSpot-RateLimit-Interval-Milliseconds: 10000",
		quotas: []ratelimit.Quota{
			quota(func(q *ratelimit.Quota) {
				q.Policy, q.Limit, q.Remaining, q.Window = "DAILY", 500000, 499000, 24*time.Hour
			}),
			quota(func(q *ratelimit.Quota) { q.Policy, q.Limit, q.Remaining, q.Window = "SECONDLY", 10, 9, time.Second }),
			quota(func(q *ratelimit.Quota) { q.Limit, q.Remaining, q.Window = 100, 98, 10*time.Second }),
		},
	},
	"Twilio": {
		preset: ratelimit.Twilio, status: 429,
		lines:  "Twilio-Concurrent-Requests: 37",
		quotas: []ratelimit.Quota{quota(func(q *ratelimit.Quota) { q.Unit, q.Used = ratelimit.Concurrent, 37 })},
		more:   func(s *ratelimit.Signal) { s.Throttled = true },
	},
	"Zendesk": {
		preset: ratelimit.Zendesk,
		lines:  "x-rate-limit: 700 | ratelimit-limit: 700 | x-rate-limit-remaining: 699 | ratelimit-remaining: 699 | ratelimit-reset: 41 | zendesk-ratelimit-tickets-index: total=100; remaining=99; resets=41",
		quotas: []ratelimit.Quota{
			left(700, 699, 41*time.Second),
			quota(func(q *ratelimit.Quota) {
				q.Policy, q.Limit, q.Remaining, q.ResetIn = "Tickets-Index", 100, 99, 41*time.Second
			}),
		},
	},
	"Jira": {
		preset: ratelimit.Jira,
		lines:  `Beta-Ratelimit-Policy: "tenant-app-quota";q=100100;w=3600 | Beta-Ratelimit: "tenant-app-quota";r=17842;t=2107 | X-Beta-Ratelimit-Reason: jira-quota-tenant-based | X-Beta-Ratelimit-Nearlimit: true | X-Ratelimit-Limit: 350 | X-Ratelimit-Remaining: 349`,
		quotas: []ratelimit.Quota{
			quota(func(q *ratelimit.Quota) {
				q.Policy, q.Unit, q.Limit, q.Remaining = "tenant-app-quota", ratelimit.Points, 100100, 17842
				q.Window, q.ResetIn = time.Hour, 2107*time.Second
			}),
			left(350, 349, -1),
		},
		more: func(s *ratelimit.Signal) { s.Reason = "jira-quota-tenant-based" },
	},
	"Jira, nothing left": {
		preset: ratelimit.Jira, status: 429, at: time.Date(2026, 3, 26, 15, 13, 32, 0, time.UTC),
		lines: `Beta-Ratelimit: "tenant-app-quota";r=0;t=2788 | X-Beta-Ratelimit-Reset: 2026-03-26T16:00Z`,
		quotas: []ratelimit.Quota{quota(func(q *ratelimit.Quota) {
			q.Policy, q.Unit, q.Remaining, q.ResetIn = "tenant-app-quota", ratelimit.Points, 0, 2788*time.Second
		})},
		more: func(s *ratelimit.Signal) { s.Throttled = true },
	},
	"Jira, nothing left and no t": {
		preset: ratelimit.Jira, status: 429, at: time.Date(2026, 3, 26, 15, 30, 0, 0, time.UTC),
		lines: `Beta-Ratelimit: "tenant-app-quota";r=0 | X-Beta-Ratelimit-Reset: 2026-03-26T16:00Z`,
		quotas: []ratelimit.Quota{quota(func(q *ratelimit.Quota) {
			q.Policy, q.Unit, q.Remaining, q.ResetIn = "tenant-app-quota", ratelimit.Points, 0, 30*time.Minute
		})},
		more: func(s *ratelimit.Signal) { s.Throttled = true },
	},
	"Confluence": {
		preset: ratelimit.Confluence,
		lines:  "X-RateLimit-Limit: 100 | X-RateLimit-Remaining: 60 | X-RateLimit-Interval-Seconds: 5 | X-RateLimit-FillRate: 10 | retry-after: 0",
		quotas: []ratelimit.Quota{quota(func(q *ratelimit.Quota) { q.Limit, q.Remaining, q.FillRate = 100, 60, 2 })},
	},
	"Linear": {
		preset: ratelimit.Linear, at: time.Unix(1735689000, 0),
		lines: "X-RateLimit-Requests-Limit: 5000 | X-RateLimit-Requests-Remaining: 4999 | X-RateLimit-Requests-Reset: 1735689600000 | X-Complexity: 12 | X-RateLimit-Complexity-Remaining: 249988",
		quotas: []ratelimit.Quota{
			left(5000, 4999, 10*time.Minute),
			quota(func(q *ratelimit.Quota) { q.Unit, q.Remaining = ratelimit.Points, 249988 }),
		},
		more: func(s *ratelimit.Signal) { s.Cost = 12 },
	},
	"Salesforce": {
		preset: ratelimit.Salesforce,
		lines:  "Sforce-Limit-Info: api-usage=10018/100000, per-app-api-usage=17/250(appName=sample)",
		quotas: []ratelimit.Quota{
			quota(func(q *ratelimit.Quota) {
				q.Policy, q.Limit, q.Used, q.Remaining, q.Window = "api-usage", 100000, 10018, 89982, 24*time.Hour
			}),
			quota(func(q *ratelimit.Quota) {
				q.Policy, q.Limit, q.Used, q.Remaining, q.Window = "per-app-api-usage", 250, 17, 233, 24*time.Hour
			}),
		},
	},
	"Azure Resource Manager": {
		preset: ratelimit.AzureARM,
		lines:  "x-ms-ratelimit-remaining-subscription-reads: 11999 | x-ms-ratelimit-remaining-resource: Microsoft.Compute/PutVM3Min;237,Microsoft.Compute/PutVM30Min;1207",
		quotas: []ratelimit.Quota{
			quota(func(q *ratelimit.Quota) { q.Policy, q.Remaining = "Microsoft.Compute/PutVM3Min", 237 }),
			quota(func(q *ratelimit.Quota) { q.Policy, q.Remaining = "Microsoft.Compute/PutVM30Min", 1207 }),
			quota(func(q *ratelimit.Quota) { q.Policy, q.Remaining = "Subscription-Reads", 11999 }),
		},
	},
	"Cosmos DB": {
		preset: ratelimit.AzureCosmos, status: 429,
		lines: "x-ms-retry-after-ms: 5 | x-ms-request-charge: 2.83",
		more: func(s *ratelimit.Signal) {
			s.Throttled, s.RetryAfter, s.Cost = true, 5*time.Millisecond, 2.83
		},
	},
	"Intercom": {
		preset: ratelimit.Intercom, at: time.Unix(1487332504, 0), auto: true,
		lines: "X-RateLimit-Limit: 167 | X-RateLimit-Remaining: 166 | X-RateLimit-Reset: 1487332510",
		quotas: []ratelimit.Quota{quota(func(q *ratelimit.Quota) {
			q.Limit, q.Remaining, q.Window, q.ResetIn = 167, 166, 10*time.Second, 6*time.Second
		})},
	},
	"Cloudflare": {
		preset: ratelimit.Cloudflare,
		lines:  `Ratelimit: "default";r=50;t=30 | Ratelimit-Policy: "burst";q=100;w=60`,
		quotas: []ratelimit.Quota{
			quota(func(q *ratelimit.Quota) { q.Policy, q.Limit, q.Window = "burst", 100, time.Minute }),
			quota(func(q *ratelimit.Quota) { q.Policy, q.Remaining, q.ResetIn = "default", 50, 30*time.Second }),
		},
	},
	"Riot": {
		preset: ratelimit.Riot,
		lines:  "X-App-Rate-Limit: 20:1,100:120 | X-App-Rate-Limit-Count: 1:1,37:120 | X-Method-Rate-Limit: 2000:60 | X-Method-Rate-Limit-Count: 12:60",
		quotas: []ratelimit.Quota{
			quota(func(q *ratelimit.Quota) {
				q.Policy, q.Limit, q.Used, q.Remaining, q.Window = "app", 20, 1, 19, time.Second
			}),
			quota(func(q *ratelimit.Quota) {
				q.Policy, q.Limit, q.Used, q.Remaining, q.Window = "app", 100, 37, 63, 2*time.Minute
			}),
			quota(func(q *ratelimit.Quota) {
				q.Policy, q.Limit, q.Used, q.Remaining, q.Window = "method", 2000, 12, 1988, time.Minute
			}),
		},
	},
	"Riot, refused": {
		preset: ratelimit.Riot, status: 429,
		lines: "X-Rate-Limit-Type: application | Retry-After: 7",
		more: func(s *ratelimit.Signal) {
			s.Throttled, s.RetryAfter, s.Scope = true, 7*time.Second, "application"
		},
	},
	"Discord": {
		preset: ratelimit.Discord, status: 429, at: time.Unix(1470173000, 0),
		lines:  "X-RateLimit-Limit: 10 | X-RateLimit-Remaining: 0 | X-RateLimit-Reset: 1470173023.123 | X-RateLimit-Reset-After: 64.57 | X-RateLimit-Bucket: abcd1234 | X-RateLimit-Scope: user | Retry-After: 65",
		quotas: []ratelimit.Quota{left(10, 0, 64570*time.Millisecond)},
		more: func(s *ratelimit.Signal) {
			s.Throttled, s.RetryAfter, s.Scope, s.Bucket = true, 65*time.Second, "user", "abcd1234"
		},
	},
	"Discord, for all": {
		preset: ratelimit.Discord, status: 429,
		lines: "X-RateLimit-Global: true | Retry-After: 65",
		more:  func(s *ratelimit.Signal) { s.Throttled, s.RetryAfter, s.Scope = true, 65*time.Second, "global" },
	},
	"Discord, shared with others": {
		preset: ratelimit.Discord, status: 429,
		lines:  "X-RateLimit-Limit: 10 | X-RateLimit-Remaining: 9 | X-RateLimit-Reset-After: 1 | X-RateLimit-Scope: shared | Retry-After: 65",
		quotas: []ratelimit.Quota{left(10, 9, time.Second)},
		more:   func(s *ratelimit.Signal) { s.Throttled, s.RetryAfter, s.Scope = true, 65*time.Second, "shared" },
	},
	"Google": {
		preset: ratelimit.Google, status: 503, lines: "Retry-After: 9",
		more: func(s *ratelimit.Signal) { s.Throttled, s.RetryAfter = true, 9*time.Second },
	},
	"Mailchimp": {
		preset: ratelimit.Mailchimp, status: 403, lines: "Content-Type: text/html", auto: true,
		more: func(s *ratelimit.Signal) { s.Throttled = true },
	},
	"Akamai": {
		preset: ratelimit.Akamai,
		lines:  "X-RateLimit-Limit: 100 | X-RateLimit-Remaining: 0 | X-RateLimit-Next: 2026-03-01T12:00:20.5Z",
		quotas: []ratelimit.Quota{left(100, 0, 20500*time.Millisecond)},
	},
	"lemlist": {
		lines:  "X-RateLimit-Limit: 20 | X-RateLimit-Remaining: 7 | X-RateLimit-Reset: Tue Feb 16 2021 09:02:42 GMT+0100 (Central European Standard Time)",
		quotas: []ratelimit.Quota{left(20, 7, -1)},
		more:   func(s *ratelimit.Signal) { s.Malformed = []string{"X-Ratelimit-Reset"} },
	},
	"Pexels": {
		preset: ratelimit.Pexels,
		lines:  "X-Ratelimit-Limit: 20000 | X-Ratelimit-Remaining: 19684 | X-Ratelimit-Reset: 1772366460",
		quotas: []ratelimit.Quota{left(20000, 19684, time.Minute)},
	},
	"Resend": {
		preset: ratelimit.Resend,
		lines:  "ratelimit-limit: 2 | ratelimit-remaining: 1 | ratelimit-reset: 1",
		quotas: []ratelimit.Quota{left(2, 1, time.Second)},
	},
	"Rachio": {
		preset: ratelimit.Rachio,
		lines:  "x-ratelimit-limit: 1700 | x-ratelimit-remaining: 1699 | x-ratelimit-reset: 2026-03-02T00:00:00Z",
		quotas: []ratelimit.Quota{left(1700, 1699, 12*time.Hour)},
	},
}
