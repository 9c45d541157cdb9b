package provider

// OpenRouter: https://openrouter.ai/docs/api-reference/overview
var _ = compatible(Compatible{
	Name: "openrouter", BaseURL: "https://openrouter.ai/api/v1", Env: []string{"OPENROUTER_API_KEY"},
	RoutesItself: true,
})
