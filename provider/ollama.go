package provider

// Ollama: https://github.com/ollama/ollama/blob/main/docs/openai.md
var _ = compatible(Compatible{
	Name: "ollama", BaseURL: "http://127.0.0.1:11434/v1", NoKey: true,
})
