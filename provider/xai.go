package provider

// xAI: https://docs.x.ai/docs/api-reference
var _ = compatible(Compatible{
	Name: "xai", Aliases: []string{"x-ai"}, BaseURL: "https://api.x.ai/v1", Env: []string{"XAI_API_KEY"},
})
