package provider

// SiliconFlow: https://docs.siliconflow.com/en/api-reference/chat-completions/chat-completions. Only some models can be told how to think.
var _ = compatible(Compatible{
	Name: "siliconflow", BaseURL: "https://api.siliconflow.com/v1", Env: []string{"SILICONFLOW_API_KEY"},
	Fields: everywhere,
	Varies: []string{"enable_thinking", "reasoning_effort", "thinking_budget"},
})
