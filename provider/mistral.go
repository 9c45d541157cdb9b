package provider

// Mistral: https://docs.mistral.ai/api/endpoint/chat (usage is in the last chunk of every stream). It answers what it does not
// know with a 422.
var _ = compatible(Compatible{
	Name: "mistral", Also: []string{"/embeddings"}, BaseURL: "https://api.mistral.ai/v1", Env: []string{"MISTRAL_API_KEY"},
	NoStreamOptions: true,
	Fields: []string{"frequency_penalty", "max_tokens", "metadata", "n", "parallel_tool_calls", "presence_penalty", "random_seed", "response_format",
		"safe_prompt", "stop", "temperature", "tool_choice", "tools", "top_p"},
	Varies: []string{"guardrails", "prediction", "prompt_cache_key", "prompt_mode", "reasoning_effort", "service_tier"},
})
