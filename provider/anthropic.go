package provider

// Anthropic through its OpenAI-compatible endpoint, which ignores what it does not honour and takes only n = 1:
// https://platform.claude.com/docs/en/api/openai-sdk
var _ = compatible(Compatible{
	Name: "anthropic", BaseURL: "https://api.anthropic.com", Env: []string{"ANTHROPIC_API_KEY"}, ChatPath: "/v1/chat/completions",
	Fields: []string{"max_tokens", "max_completion_tokens", "top_p", "parallel_tool_calls", "stop", "temperature", "tools", "tool_choice", "functions",
		"function_call"},
	Varies: []string{"thinking"},
	Closed: true,
})
