package provider

// DeepInfra: https://deepinfra.com/docs/openai_api. What else it takes depends on the model.
var _ = compatible(Compatible{
	Name: "deepinfra", Also: []string{"/embeddings", "/completions"}, BaseURL: "https://api.deepinfra.com/v1/openai",
	Env:    []string{"DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN", "DEEPINFRA_API_TOKEN"},
	Fields: everywhere,
})
