package provider

// Moonshot AI: https://platform.moonshot.ai/docs/api/chat. Of tool_choice it honours auto and none.
var _ = compatible(Compatible{
	Name: "moonshot", Thoughts: "reasoning_content", Aliases: []string{"moonshotai"}, BaseURL: "https://api.moonshot.ai/v1", Env: []string{"MOONSHOT_API_KEY"},
	Fields: []string{"max_completion_tokens", "max_tokens", "prompt_cache_key", "response_format.json_object", "safety_identifier", "stop", "tools", "frequency_penalty", "n",
		"presence_penalty", "temperature", "top_p"},
	NotThinking: []string{"frequency_penalty", "n", "presence_penalty", "temperature", "top_p"},
	Varies:      []string{"reasoning_effort", "response_format.json_schema", "thinking", "tool_choice"},
})
