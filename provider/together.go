package provider

// Together AI: https://docs.together.ai/docs/openai-api-compatibility
var _ = compatible(Compatible{
	Name: "together", Aliases: []string{"together_ai"}, BaseURL: "https://api.together.xyz/v1", Env: []string{"TOGETHER_API_KEY"},
})
