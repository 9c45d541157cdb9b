package provider

// Anthropic through its OpenAI-compatible endpoint, with the fields that it honours:
// https://docs.claude.com/en/api/openai-sdk
var _ = compatible(Compatible{
	Name: "anthropic", BaseURL: "https://api.anthropic.com", Env: []string{"ANTHROPIC_API_KEY"}, ChatPath: "/v1/chat/completions",
	Fields: []string{"model", "messages", "max_tokens", "max_completion_tokens", "stream", "stream_options", "top_p", "parallel_tool_calls",
		"stop", "temperature", "n", "tools", "tool_choice"},
})
