package provider

// Groq: https://console.groq.com/docs/openai (what is not supported) and https://console.groq.com/docs/api-reference#chat-create
var _ = compatible(Compatible{
	Name: "groq", Also: []string{"/responses", "/audio/speech", "/audio/transcriptions", "/audio/translations"},
	BaseURL: "https://api.groq.com/openai/v1", Env: []string{"GROQ_API_KEY"},
	Fields: []string{"function_call", "functions", "max_completion_tokens", "max_tokens", "parallel_tool_calls", "reasoning_effort", "response_format",
		"seed", "service_tier", "stop", "temperature", "tool_choice", "tools", "top_p", "user"},
	Varies: []string{"citation_options", "compound_custom", "disable_tool_validation", "documents", "exclude_domains", "include_domains",
		"include_reasoning", "reasoning_format", "search_settings"},
	Refuses: []string{"frequency_penalty", "logit_bias", "logprobs", "metadata", "n", "presence_penalty", "store", "top_logprobs"},
})
