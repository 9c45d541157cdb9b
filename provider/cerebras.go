package provider

// Cerebras: https://inference-docs.cerebras.ai/resources/openai
var _ = compatible(Compatible{
	Name: "cerebras", BaseURL: "https://api.cerebras.ai/v1", Env: []string{"CEREBRAS_API_KEY"},
})
