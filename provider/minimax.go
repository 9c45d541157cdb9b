package provider

// MiniMax: https://platform.minimax.io/docs/api-reference/text-openai-api. Without reasoning_split its models think aloud, in
// <think> tags within the content.
var _ = compatible(Compatible{
	Name: "minimax", BaseURL: "https://api.minimax.io/v1", Env: []string{"MINIMAX_API_KEY"},
	Fields:  everywhere,
	Varies:  []string{"reasoning_split", "tools"},
	Refuses: []string{"frequency_penalty", "function_call", "functions", "logit_bias", "n", "presence_penalty"},
})
