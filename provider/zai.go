package provider

// Z.AI: https://docs.z.ai/api-reference/llm/chat-completion
var _ = compatible(Compatible{
	Name: "zai", Aliases: []string{"z-ai"}, BaseURL: "https://api.z.ai/api/paas/v4", Env: []string{"ZAI_API_KEY"},
})
