package provider

// Cloudflare Workers AI: https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility. Its address has the account:
// https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1
var _ = compatible(Compatible{
	Name: "cloudflare", Also: []string{"/embeddings"}, Env: []string{"CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY"},
	Fields: everywhere,
})
