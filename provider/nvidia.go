package provider

// NVIDIA's API catalogue: https://docs.api.nvidia.com/nim/reference/llm-apis. What else it takes depends on the model.
var _ = compatible(Compatible{
	Name: "nvidia", Aliases: []string{"nvidia_nim"}, BaseURL: "https://integrate.api.nvidia.com/v1", Env: []string{"NVIDIA_API_KEY"},
	Fields: everywhere,
})
