package provider

// Hugging Face Inference Providers: https://huggingface.co/docs/inference-providers/tasks/chat-completion
var _ = compatible(Compatible{
	Name: "huggingface", Also: []string{"/responses"}, BaseURL: "https://router.huggingface.co/v1", Env: []string{"HF_TOKEN"},
	Fields: []string{"frequency_penalty", "max_tokens", "presence_penalty", "response_format", "seed", "stop", "temperature", "tool_choice", "tools", "top_p"},
	Varies: []string{"logit_bias", "logprobs", "n", "reasoning_effort", "tool_prompt", "top_logprobs"},
})
