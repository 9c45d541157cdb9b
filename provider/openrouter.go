package provider

// OpenRouter: https://openrouter.ai/docs/api/reference/overview. What the model behind it does not take, it ignores:
// https://openrouter.ai/docs/api/reference/parameters
var _ = compatible(Compatible{
	Name: "openrouter", Thoughts: "reasoning_details", Also: []string{"/responses", "/embeddings", "/completions"}, BaseURL: "https://openrouter.ai/api/v1", Env: []string{"OPENROUTER_API_KEY"},
	RoutesItself: true,
	Fields: []string{"max_tokens", "metadata", "plugins", "reasoning", "reasoning_effort", "response_format", "session_id", "stop", "temperature",
		"tool_choice", "tools", "top_p", "trace", "user"},
	Varies: []string{"audio", "cache_control", "frequency_penalty", "image_config", "include_reasoning", "logit_bias", "logprobs", "max_completion_tokens",
		"min_p", "modalities", "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key", "prompt_cache_options",
		"repetition_penalty", "seed", "service_tier", "stop_server_tools_when", "structured_outputs", "top_a", "top_k", "top_logprobs",
		"transforms", "usage", "verbosity", "web_search_options"},
	Refuses: []string{"function_call", "functions", "n", "store"},
})
