package provider

// xAI: https://docs.x.ai/developers/rest-api-reference/inference/chat. Reasoning models refuse the penalties and stop:
// https://docs.x.ai/docs/guides/reasoning. Completions are legacy: https://docs.x.ai/developers/rest-api-reference/inference/legacy
var _ = compatible(Compatible{
	Name: "xai", Also: []string{"/responses", "/completions"}, Aliases: []string{"x-ai"}, BaseURL: "https://api.x.ai/v1", Env: []string{"XAI_API_KEY"},
	Fields: []string{"frequency_penalty", "logprobs", "max_completion_tokens", "max_tokens", "n", "presence_penalty", "stop", "parallel_tool_calls", "response_format", "seed", "temperature", "tool_choice",
		"tools", "top_logprobs", "top_p", "user"},
	NotThinking: []string{"frequency_penalty", "presence_penalty", "stop"},
	Varies: []string{"deferred", "parallel_function_calling", "reasoning_effort", "search_parameters",
		"service_tier", "web_search_options"},
	Refuses: []string{"logit_bias"},
})
