package provider

// DeepSeek: https://api-docs.deepseek.com/api/create-chat-completion. Thinking models ignore the penalties, temperature
// and top_p, and refuse logprobs: https://api-docs.deepseek.com/guides/thinking_mode
var _ = compatible(Compatible{
	Name: "deepseek", Thoughts: "reasoning_content", BaseURL: "https://api.deepseek.com", Env: []string{"DEEPSEEK_API_KEY"},
	Fields: []string{"max_tokens", "response_format.json_object", "stop", "tool_choice", "tools", "frequency_penalty", "logprobs", "presence_penalty",
		"temperature", "top_logprobs", "top_p"},
	NotThinking: []string{"frequency_penalty", "logprobs", "presence_penalty", "temperature", "top_logprobs", "top_p"},
	Varies:      []string{"reasoning_effort", "thinking", "user_id"},
	Refuses:     []string{"response_format.json_schema", "n", "seed", "logit_bias"},
})
