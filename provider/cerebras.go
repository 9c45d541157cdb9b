package provider

// Cerebras: https://inference-docs.cerebras.ai/api-reference/chat-completions. Of the penalties and logit_bias,
// https://inference-docs.cerebras.ai/resources/openai says that they are answered with an error.
var _ = compatible(Compatible{
	Name: "cerebras", Also: []string{"/completions"}, BaseURL: "https://api.cerebras.ai/v1", Env: []string{"CEREBRAS_API_KEY"},
	Fields: []string{"logprobs", "max_completion_tokens", "max_tokens", "n", "parallel_tool_calls", "prompt_cache_key", "reasoning_effort",
		"response_format", "seed", "stop", "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user"},
	Varies: []string{"clear_thinking", "disable_reasoning", "frequency_penalty", "logit_bias", "min_completion_tokens", "min_tokens", "model_parameters",
		"prediction", "presence_penalty", "reasoning_format", "service_tier"},
})
