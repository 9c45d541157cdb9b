package provider

// Gemini through its OpenAI-compatible endpoint, with the fields that it honours:
// https://ai.google.dev/gemini-api/docs/openai
var _ = compatible(Compatible{
	Name: "gemini", Aliases: []string{"google"}, BaseURL: "https://generativelanguage.googleapis.com", Env: []string{"GEMINI_API_KEY", "GOOGLE_API_KEY"},
	ChatPath: "/v1beta/openai/chat/completions",
	Fields: []string{"max_tokens", "max_completion_tokens", "top_p", "stop", "temperature", "n", "tools", "tool_choice", "parallel_tool_calls",
		"response_format", "reasoning_effort"},
	Varies: []string{"extra_body", "modalities"},
	Closed: true,
})
