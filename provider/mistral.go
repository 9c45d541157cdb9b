package provider

// Mistral: https://docs.mistral.ai/api/ (usage is in the last chunk of every stream)
var _ = compatible(Compatible{
	Name: "mistral", BaseURL: "https://api.mistral.ai/v1", Env: []string{"MISTRAL_API_KEY"},
	NoStreamOptions: true,
})
