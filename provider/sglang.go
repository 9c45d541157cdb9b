package provider

// SGLang: https://docs.sglang.io/docs/basic_usage/openai_api_completions. Tools and thinking depend on the model, and on how the server
// was started.
var _ = compatible(Compatible{
	Name: "sglang", Also: []string{"/embeddings", "/completions"}, NoKey: true,
	Fields: []string{"frequency_penalty", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "min_p", "min_tokens", "n", "presence_penalty",
		"repetition_penalty", "response_format", "seed", "stop", "temperature", "top_k", "top_logprobs", "top_p"},
	Varies: []string{"chat_template_kwargs", "ebnf", "ignore_eos", "parallel_tool_calls", "priority", "reasoning_effort", "regex", "separate_reasoning",
		"skip_special_tokens", "stop_token_ids", "tool_choice", "tools"},
})
