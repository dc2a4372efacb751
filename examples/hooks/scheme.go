package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-go/holdfast/webhook"
)

// presets are the schemes that the library knows. The one of PayPal depends on the
// ID of the webhook.
func presets(webhookID string) []webhook.Scheme {
	return []webhook.Scheme{
		webhook.StandardWebhooks(), webhook.Adyen(), webhook.Bitbucket(), webhook.Box(), webhook.Calendly(),
		webhook.Discord(), webhook.DocuSign(), webhook.Dropbox(), webhook.GitHub(), webhook.GitLab(),
		webhook.GitLabToken(), webhook.HubSpot(), webhook.Intercom(), webhook.Linear(), webhook.Mailgun(),
		webhook.Meta(), webhook.OpenAI(), webhook.Paddle(), webhook.PagerDuty(), webhook.PayPal(webhookID),
		webhook.Razorpay(), webhook.SendGrid(), webhook.Shopify(), webhook.Slack(), webhook.Square(),
		webhook.Stripe(), webhook.Svix(), webhook.Twilio(), webhook.Twitch(), webhook.Typeform(),
		webhook.Wise(), webhook.X(), webhook.Zendesk(), webhook.Zoom(),
	}
}

// schemeFlags say how a provider signs.
type schemeFlags struct{ name, webhookID string }

func (f *schemeFlags) add(fs *flag.FlagSet) {
	fs.StringVar(&f.name, "scheme", "standard-webhooks", "how the provider signs: see hooks schemes")
	fs.StringVar(&f.webhookID, "webhook-id", "", "ID of the webhook, which PayPal signs")
}

// scheme returns the scheme of the flags.
func (f *schemeFlags) scheme() (webhook.Scheme, error) {
	all := presets(f.webhookID)
	i := slices.IndexFunc(all, func(s webhook.Scheme) bool { return s.Name == f.name })
	if i < 0 {
		return webhook.Scheme{}, wrong("-scheme: there is no %q: hooks schemes names all", f.name)
	}
	if (f.name == "paypal") != (f.webhookID != "") {
		return webhook.Scheme{}, wrong("-webhook-id goes together with -scheme paypal")
	}
	return all[i], nil
}

// revealing says whether the signature is the secret itself.
func revealing(s webhook.Scheme) bool {
	return slices.ContainsFunc(s.Versions, func(v webhook.Version) bool { return v.Algorithm == webhook.Token })
}

// runSchemes prints the names, and in which header fields the signatures are.
func runSchemes(_ context.Context, sys System, fs *flag.FlagSet, args []string) error {
	if err := parse(fs, args, 0, 0); err != nil {
		return err
	}
	for _, s := range presets("") {
		where := strings.Join(s.Headers, ", ")
		if s.SignatureJSON != "" {
			where = "body: " + s.SignatureJSON
		} else if len(s.Families) > 0 {
			where = s.Families[0] + where
		}
		fmt.Fprintf(sys.Stdout, "%-18s %s\n", s.Name, where)
	}
	return nil
}
