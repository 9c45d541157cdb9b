package provider

// GitHub Models: https://docs.github.com/en/rest/models/inference. Its key is a GitHub token with models: read, which is not looked
// for in the environment: the GITHUB_TOKEN that stands there is for other things.
var _ = compatible(Compatible{
	Name: "github", Also: []string{"/embeddings"}, Aliases: []string{"github_models"}, BaseURL: "https://models.github.ai/inference",
	Fields: []string{"frequency_penalty", "max_tokens", "presence_penalty", "response_format", "seed", "stop", "temperature", "tool_choice", "tools", "top_p"},
	Varies: []string{"modalities"},
})
