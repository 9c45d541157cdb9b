package provider

// Azure OpenAI, v1 API: https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
var _ = compatible(Compatible{
	Name: "azure", Env: []string{"AZURE_OPENAI_API_KEY"}, KeyHeader: "Api-Key",
})
