package provider

// Ollama: https://docs.ollama.com/api/openai-compatibility. Its server reads these fields and no others.
var _ = compatible(Compatible{
	Name: "ollama", Also: []string{"/responses", "/embeddings", "/completions"}, BaseURL: "http://127.0.0.1:11434/v1", NoKey: true,
	Fields: []string{"frequency_penalty", "max_tokens", "presence_penalty", "response_format", "seed", "stop", "temperature", "tools", "top_p"},
	Varies: []string{"logprobs", "reasoning", "reasoning_effort", "top_logprobs"},
	Closed: true,
})
