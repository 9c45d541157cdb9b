package provider

// Fireworks AI: https://docs.fireworks.ai/tools-sdks/openai-compatibility
var _ = compatible(Compatible{
	Name: "fireworks", Aliases: []string{"fireworks_ai"}, BaseURL: "https://api.fireworks.ai/inference/v1", Env: []string{"FIREWORKS_API_KEY"},
})
