package ratelimit

import "fmt"

// Preset is a dialect that is known: what a server's documentation says about
// its limits, or what was seen in its answers.
//
// Every preset reads Retry-After (seconds, also with a fraction, or a date),
// Retry-After-Ms and X-Ms-Retry-After-Ms, and takes 429, 529 and, with evidence,
// 403 and 503 for a refusal by a limit. What differs is which quotas are read,
// and how.
type Preset uint8

const (
	// Auto finds out from the header: it reads the fields of all presets, and
	// takes each time for what it looks like. Where one answer speaks of a limit
	// in several ways, the most restrictive counts. It is the zero value, and
	// right for most servers; what no field tells, such as the length of
	// Intercom's window or the meaning of Mailchimp's 403, only the preset knows.
	Auto Preset = iota
	// IETF reads the fields RateLimit and RateLimit-Policy in each of the four
	// shapes that the drafts of the IETF working group HTTPAPI gave them, with
	// RateLimit-Limit, -Remaining and -Reset: 00 to 03, 04 to 06, 07, and 08 to
	// 10. Times are seconds.
	IETF
	// GitHub has quotas per resource; those of "graphql" are in [Points]. The
	// secondary limits refuse with 403 or 429 and show only in the body; then
	// the wait is at least a minute.
	GitHub
	// GitLab has the names of the IETF draft's fields, but its reset is a Unix
	// time.
	GitLab
	// Stripe tells no quotas. Stripe-Rate-Limited-Reason becomes the Reason.
	Stripe
	// Shopify is the REST Admin API: "32/40" is the level of a bucket that
	// empties within 20 seconds.
	Shopify
	// Slack tells no quotas.
	Slack
	// Notion tells no quotas.
	Notion
	// Twitter is the API of X.
	Twitter
	// Reddit tells quotas with fractions, and resets in seconds.
	Reddit
	// OpenAI has a quota of requests and one of tokens.
	OpenAI
	// Anthropic has quotas of requests, of tokens, and of those in each
	// direction.
	Anthropic
	// Okta switches to the values of its concurrency limit when that refuses;
	// the reset is then no more than an estimate.
	Okta
	// HubSpot has a daily quota, whose reset it does not tell, and short ones.
	HubSpot
	// Twilio tells how many requests are under way.
	Twilio
	// Zendesk has a quota for the account, told twice, and one per endpoint,
	// whose policy is the end of the field's name, such as "Tickets-Index".
	Zendesk
	// Jira is Jira Cloud: a quota of [Points] by the hour and one of requests.
	Jira
	// Confluence is Confluence and Jira Data Center, which describe a token
	// bucket.
	Confluence
	// Linear has a quota of requests and one of complexity, in [Points], whose
	// resets are Unix times in milliseconds.
	Linear
	// Salesforce tells what of the last 24 hours is used, with some delay. It
	// refuses with a 403 and REQUEST_LIMIT_EXCEEDED in the body.
	Salesforce
	// SalesforceMarketing is the Marketing Cloud, which tells no quotas.
	SalesforceMarketing
	// AzureARM is the Azure Resource Manager: what is left in each scope, and
	// nothing else.
	AzureARM
	// AzureCosmos is Cosmos DB: what a request has cost.
	AzureCosmos
	// Intercom tells the limit of a slice of ten seconds.
	Intercom
	// Cloudflare is the API of Cloudflare, which follows draft 10 of the IETF.
	Cloudflare
	// Riot is the API of Riot Games: several windows for the app and for the
	// method. A 429 without X-Rate-Limit-Type comes from neither.
	Riot
	// Discord tells the bucket of a request. A 429 of the scope "shared" shows
	// quota left.
	Discord
	// Spotify tells no quotas.
	Spotify
	// Dropbox tells no quotas.
	Dropbox
	// Google is the APIs of Google, which tell no quotas and refuse with 403,
	// 429 or 503. Only the body of a 403 tells it from a lack of permission.
	Google
	// Mailchimp tells nothing: a limit is a 429, or a 403 without JSON.
	Mailchimp
	// Akamai tells when the next request may go (Cloudlets).
	Akamai
	// Pexels has quotas in all answers but the 429.
	Pexels
	// Resend has the fields of the IETF's drafts 04 to 06, as have Persona and
	// others.
	Resend
	// Rachio writes its reset as a date of RFC 3339.
	Rachio

	presets
)

// String returns the name of the preset.
func (p Preset) String() string {
	if p < presets {
		return presetNames[p]
	}
	return fmt.Sprintf("Preset(%d)", uint8(p))
}

var presetNames = [presets]string{
	Auto: "Auto", IETF: "IETF", GitHub: "GitHub", GitLab: "GitLab", Stripe: "Stripe", Shopify: "Shopify",
	Slack: "Slack", Notion: "Notion", Twitter: "Twitter", Reddit: "Reddit", OpenAI: "OpenAI",
	Anthropic: "Anthropic", Okta: "Okta", HubSpot: "HubSpot", Twilio: "Twilio", Zendesk: "Zendesk",
	Jira: "Jira", Confluence: "Confluence", Linear: "Linear", Salesforce: "Salesforce",
	SalesforceMarketing: "SalesforceMarketing", AzureARM: "AzureARM", AzureCosmos: "AzureCosmos",
	Intercom: "Intercom", Cloudflare: "Cloudflare", Riot: "Riot", Discord: "Discord", Spotify: "Spotify",
	Dropbox: "Dropbox", Google: "Google", Mailchimp: "Mailchimp", Akamai: "Akamai", Pexels: "Pexels",
	Resend: "Resend", Rachio: "Rachio",
}

// grammar returns the preset's row of the table.
func (p Preset) grammar() (*grammar, error) {
	if p >= presets {
		return nil, fmt.Errorf("ratelimit: no such dialect: %v", p)
	}
	g := grammarOf(p)
	return &g, nil
}
