package provider

// LM Studio: https://lmstudio.ai/docs/developer/openai-compat/chat-completions. Structured output and tools depend on the model:
// https://lmstudio.ai/docs/developer/openai-compat/structured-output and https://lmstudio.ai/docs/developer/openai-compat/tools
var _ = compatible(Compatible{
	Name: "lmstudio", Also: []string{"/embeddings", "/completions"}, Aliases: []string{"lm_studio"}, BaseURL: "http://127.0.0.1:1234/v1", NoKey: true,
	Fields: []string{"frequency_penalty", "logit_bias", "max_tokens", "presence_penalty", "repeat_penalty", "seed", "stop", "temperature", "top_k", "top_p"},
	Varies: []string{"response_format.json_schema", "tools"},
})
