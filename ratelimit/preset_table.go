package ratelimit

import "time"

const day = 24 * time.Hour

// grammarOf is the table of the presets, as far as they tell quotas or names.
func grammarOf(p Preset) grammar {
	switch p {
	case Auto:
		return auto()
	case IETF, Cloudflare, Resend:
		return grammar{
			structured: []structuredFields{ietf},
			quotas:     []quotaFields{separate("Ratelimit-", ResetSeconds)},
		}
	case GitHub:
		f := separate("X-Ratelimit-", ResetUnix)
		f.used, f.resource, f.points = "X-Ratelimit-Used", "X-Ratelimit-Resource", "graphql"
		return grammar{quotas: []quotaFields{f}}
	case GitLab:
		f := separate("Ratelimit-", ResetUnix)
		f.used, f.name, f.resetWorse = "Ratelimit-Observed", "Ratelimit-Name", "Ratelimit-Resettime"
		return grammar{quotas: []quotaFields{f}}
	case Stripe:
		return grammar{reason: []string{"Stripe-Rate-Limited-Reason"}}
	case Shopify:
		return grammar{fractions: []fractionField{shopify}}
	case Twitter:
		return grammar{quotas: []quotaFields{separate("X-Rate-Limit-", ResetUnix)}}
	case Reddit:
		f := separate("X-Ratelimit-", ResetSeconds)
		f.used = "X-Ratelimit-Used"
		return grammar{quotas: []quotaFields{f}}
	case OpenAI:
		return grammar{quotas: openAI()}
	case Anthropic:
		return grammar{quotas: anthropic()}
	case Okta:
		return grammar{quotas: []quotaFields{separate("X-Rate-Limit-", ResetUnix)}}
	case HubSpot:
		return grammar{quotas: hubSpot()}
	case Twilio:
		return grammar{quotas: []quotaFields{twilio}}
	case Zendesk:
		f := separate("X-Rate-Limit-", ResetSeconds)
		f.limitElse = "X-Rate-Limit"
		return grammar{
			quotas:   []quotaFields{separate("Ratelimit-", ResetSeconds), f},
			prefixes: []prefixField{zendeskEndpoints},
		}
	case Jira:
		return grammar{
			structured: []structuredFields{jira},
			quotas:     []quotaFields{separate("X-Ratelimit-", ResetDate)},
			reason:     []string{"X-Beta-Ratelimit-Reason", "Ratelimit-Reason"},
		}
	case Confluence:
		f := separate("X-Ratelimit-", ResetAuto)
		f.interval, f.intervalAs, f.fill = "X-Ratelimit-Interval-Seconds", ResetSeconds, "X-Ratelimit-Fillrate"
		return grammar{quotas: []quotaFields{f}}
	case Linear:
		return grammar{quotas: linear(), cost: []string{"X-Complexity"}}
	case Salesforce:
		return grammar{fractions: []fractionField{salesforce}}
	case AzureARM:
		return grammar{prefixes: []prefixField{azure}}
	case AzureCosmos:
		return grammar{cost: []string{"X-Ms-Request-Charge"}}
	case Intercom:
		f := separate("X-Ratelimit-", ResetUnix)
		f.window = 10 * time.Second
		return grammar{quotas: []quotaFields{f}}
	case Riot:
		return grammar{windows: riot(), scope: []string{"X-Rate-Limit-Type"}}
	case Discord:
		f := separate("X-Ratelimit-", ResetUnix)
		f.resetBetter = "X-Ratelimit-Reset-After"
		return grammar{
			quotas: []quotaFields{f},
			bucket: []string{"X-Ratelimit-Bucket"},
			scope:  []string{"X-Ratelimit-Scope"},
			global: []string{"X-Ratelimit-Global"},
		}
	case Mailchimp:
		return grammar{mute: true}
	case Akamai:
		f := separate("X-Ratelimit-", ResetAuto)
		f.reset = "X-Ratelimit-Next"
		return grammar{quotas: []quotaFields{f}}
	case Pexels:
		return grammar{quotas: []quotaFields{separate("X-Ratelimit-", ResetUnix)}}
	case Rachio:
		return grammar{quotas: []quotaFields{separate("X-Ratelimit-", ResetDate)}}
	}
	// The others tell no more than a wait.
	return grammar{}
}

// auto is the sum of the others.
func auto() grammar {
	x := separate("X-Ratelimit-", ResetAuto)
	x.used, x.resource, x.points = "X-Ratelimit-Used", "X-Ratelimit-Resource", "graphql"
	x.resetBetter, x.resetWorse = "X-Ratelimit-Reset-After", "X-Ratelimit-Next"
	x.interval, x.intervalAs, x.fill = "X-Ratelimit-Interval-Seconds", ResetSeconds, "X-Ratelimit-Fillrate"
	plain := separate("Ratelimit-", ResetAuto)
	plain.used, plain.name, plain.resetWorse = "Ratelimit-Observed", "Ratelimit-Name", "Ratelimit-Resettime"
	xRate := separate("X-Rate-Limit-", ResetAuto)
	xRate.limitElse = "X-Rate-Limit"
	g := grammar{
		structured: []structuredFields{ietf, jira},
		quotas:     []quotaFields{plain, x, xRate, twilio},
		fractions:  []fractionField{shopify, salesforce},
		windows:    riot(),
		prefixes:   []prefixField{zendeskEndpoints, azure},
		cost:       []string{"X-Complexity", "X-Ms-Request-Charge"},
		bucket:     []string{"X-Ratelimit-Bucket"},
		scope:      []string{"X-Ratelimit-Scope", "X-Rate-Limit-Type"},
		global:     []string{"X-Ratelimit-Global"},
		reason:     []string{"Stripe-Rate-Limited-Reason", "X-Beta-Ratelimit-Reason", "Ratelimit-Reason"},
	}
	for _, more := range [][]quotaFields{openAI(), anthropic(), hubSpot(), linear()} {
		g.quotas = append(g.quotas, more...)
	}
	return g
}

// separate is a limit, what remains of it and its reset in fields that begin
// with prefix.
func separate(prefix string, as ResetForm) quotaFields {
	return quotaFields{limit: prefix + "Limit", remaining: prefix + "Remaining", reset: prefix + "Reset", resetAs: as}
}

var (
	ietf = structuredFields{limits: "Ratelimit", policies: "Ratelimit-Policy"}
	jira = structuredFields{
		limits: "Beta-Ratelimit", policies: "Beta-Ratelimit-Policy",
		unit: Points, reset: "X-Beta-Ratelimit-Reset",
	}
	shopify = fractionField{field: "X-Shopify-Shop-Api-Call-Limit", drain: 20 * time.Second}
	// The limit is that of any 24 hours.
	salesforce       = fractionField{field: "Sforce-Limit-Info", named: true, window: day}
	twilio           = quotaFields{unit: Concurrent, used: "Twilio-Concurrent-Requests"}
	zendeskEndpoints = prefixField{prefix: "Zendesk-Ratelimit-", pairs: true}
	azure            = prefixField{prefix: "X-Ms-Ratelimit-Remaining-"}
)

func riot() []windowFields {
	return []windowFields{
		{policy: "app", limit: "X-App-Rate-Limit", used: "X-App-Rate-Limit-Count"},
		{policy: "method", limit: "X-Method-Rate-Limit", used: "X-Method-Rate-Limit-Count"},
	}
}

// openAI takes times for what they look like: Azure's servers of the same API
// write bare seconds.
func openAI() []quotaFields {
	return []quotaFields{
		{
			limit: "X-Ratelimit-Limit-Requests", remaining: "X-Ratelimit-Remaining-Requests",
			reset: "X-Ratelimit-Reset-Requests", unit: Requests,
		},
		{
			limit: "X-Ratelimit-Limit-Tokens", remaining: "X-Ratelimit-Remaining-Tokens",
			reset: "X-Ratelimit-Reset-Tokens", unit: Tokens,
		},
	}
}

func anthropic() []quotaFields {
	all := []quotaFields{
		separate("Anthropic-Ratelimit-Requests-", ResetDate),
		separate("Anthropic-Ratelimit-Tokens-", ResetDate),
		separate("Anthropic-Ratelimit-Input-Tokens-", ResetDate),
		separate("Anthropic-Ratelimit-Output-Tokens-", ResetDate),
	}
	for i := range all {
		all[i].unit = [...]Unit{Requests, Tokens, InputTokens, OutputTokens}[i]
	}
	return all
}

func hubSpot() []quotaFields {
	return []quotaFields{
		{
			policy: "DAILY", window: day,
			limit: "X-Hubspot-Ratelimit-Daily", remaining: "X-Hubspot-Ratelimit-Daily-Remaining",
		},
		{
			policy: "SECONDLY", window: time.Second,
			limit: "X-Hubspot-Ratelimit-Secondly", remaining: "X-Hubspot-Ratelimit-Secondly-Remaining",
		},
		{
			limit: "X-Hubspot-Ratelimit-Max", remaining: "X-Hubspot-Ratelimit-Remaining",
			interval: "X-Hubspot-Ratelimit-Interval-Milliseconds", intervalAs: ResetMillis,
		},
	}
}

func linear() []quotaFields {
	requests := separate("X-Ratelimit-Requests-", ResetUnixMillis)
	complexity := separate("X-Ratelimit-Complexity-", ResetUnixMillis)
	complexity.unit = Points
	return []quotaFields{requests, complexity}
}
