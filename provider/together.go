package provider

// Together AI: https://docs.together.ai/reference/chat-completions (logprobs is a number there)
var _ = compatible(Compatible{
	Name: "together", Also: []string{"/embeddings", "/completions"}, Aliases: []string{"together_ai"}, BaseURL: "https://api.together.xyz/v1", Env: []string{"TOGETHER_API_KEY"},
	Fields: []string{"echo", "frequency_penalty", "logit_bias", "max_tokens", "min_p", "n", "presence_penalty", "repetition_penalty", "response_format",
		"safety_model", "seed", "stop", "temperature", "tool_choice", "tools", "top_k", "top_p"},
	Varies: []string{"chat_template_kwargs", "compliance", "context_length_exceeded_behavior", "function_call", "logprobs", "reasoning", "reasoning_effort"},
})
