package provider

// Novita AI: https://novita.ai/docs/api-reference/model-apis-llm-create-chat-completion. Tools and formats depend on the model.
var _ = compatible(Compatible{
	Name: "novita", Also: []string{"/embeddings", "/completions"}, BaseURL: "https://api.novita.ai/openai/v1", Env: []string{"NOVITA_API_KEY"},
	Fields: []string{"frequency_penalty", "logit_bias", "logprobs", "max_tokens", "min_p", "n", "presence_penalty", "repetition_penalty", "seed", "stop",
		"temperature", "top_k", "top_logprobs", "top_p"},
	Varies: []string{"enable_thinking", "response_format", "separate_reasoning", "tools"},
})
