package provider

// SambaNova: https://docs.sambanova.ai/docs/en/features/openai-compatibility. What it refuses is "not yet supported by our models":
// https://github.com/sambanova/sambanova-python/blob/main/src/sambanova/types/chat/completion_create_params.py
var _ = compatible(Compatible{
	Name: "sambanova", Also: []string{"/embeddings"}, BaseURL: "https://api.sambanova.ai/v1", Env: []string{"SAMBANOVA_API_KEY"},
	Fields:  []string{"frequency_penalty", "max_completion_tokens", "max_tokens", "presence_penalty", "stop", "temperature", "top_k", "top_p"},
	Varies:  []string{"chat_template_kwargs", "do_sample", "parallel_tool_calls", "reasoning_effort", "response_format", "tool_choice", "tools"},
	Refuses: []string{"logit_bias", "logprobs", "n", "seed", "top_logprobs"},
})
