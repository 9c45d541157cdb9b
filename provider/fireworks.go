package provider

// Fireworks AI: https://docs.fireworks.ai/api-reference/post-chatcompletions
var _ = compatible(Compatible{
	Name: "fireworks", Also: []string{"/embeddings", "/completions"}, Aliases: []string{"fireworks_ai"}, BaseURL: "https://api.fireworks.ai/inference/v1", Env: []string{"FIREWORKS_API_KEY"},
	Fields: []string{"frequency_penalty", "ignore_eos", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "min_p", "n", "presence_penalty",
		"prompt_truncate_len", "repetition_penalty", "response_format", "seed", "stop", "temperature", "tool_choice", "tools", "top_k",
		"top_logprobs", "top_p", "user"},
	Varies: []string{"context_length_exceeded_behavior", "echo", "metadata", "mirostat_lr", "mirostat_target", "parallel_tool_calls", "prediction",
		"prompt_cache_key", "reasoning_effort", "reasoning_history", "service_tier", "speculation", "thinking", "typical_p"},
})
