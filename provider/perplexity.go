package provider

// Perplexity: https://docs.perplexity.ai/guides/chat-completions-guide (usage is in every stream)
var _ = compatible(Compatible{
	Name: "perplexity", BaseURL: "https://api.perplexity.ai", Env: []string{"PERPLEXITY_API_KEY"},
	NoStreamOptions: true,
})
