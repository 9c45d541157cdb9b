package provider

// Vercel AI Gateway: https://vercel.com/docs/ai-gateway/sdks-and-apis/openai-chat-completions. What else it takes depends on the model behind it.
var _ = compatible(Compatible{
	Name: "vercel", Also: []string{"/embeddings"}, Aliases: []string{"vercel_ai_gateway"}, BaseURL: "https://ai-gateway.vercel.sh/v1",
	Env:    []string{"AI_GATEWAY_API_KEY", "VERCEL_AI_GATEWAY_API_KEY"},
	Fields: everywhere,
})
