package provider

// OpenAI: https://platform.openai.com/docs/api-reference/chat
var _ = compatible(Compatible{
	Name: "openai", BaseURL: "https://api.openai.com/v1", Env: []string{"OPENAI_API_KEY"},
})
