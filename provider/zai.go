package provider

// Z.AI: https://docs.z.ai/api-reference/llm/chat-completion. Of tool_choice it honours auto, of stop one sequence.
var _ = compatible(Compatible{
	Name: "zai", Thoughts: "reasoning_content", Aliases: []string{"z-ai"}, BaseURL: "https://api.z.ai/api/paas/v4", Env: []string{"ZAI_API_KEY"},
	Fields: []string{"max_tokens", "response_format.json_object", "temperature", "tools", "top_p"},
	Varies: []string{"do_sample", "meta", "reasoning_effort", "request_id", "sensitive_word_check", "stop", "thinking", "tool_choice", "tool_stream",
		"user_id", "watermark_enabled"},
	Refuses: []string{"response_format.json_schema", "n"},
})
