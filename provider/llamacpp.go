package provider

// llama.cpp's server: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md. It takes the fields of its own
// /completion, too. What it does with tools and with thinking depends on the model's template.
var _ = compatible(Compatible{
	Name: "llamacpp", Also: []string{"/embeddings", "/completions"}, Aliases: []string{"llama.cpp"}, BaseURL: "http://127.0.0.1:8080/v1", NoKey: true,
	Fields: []string{"frequency_penalty", "max_tokens", "min_p", "presence_penalty", "repeat_penalty", "response_format.json_object", "seed", "stop",
		"temperature", "top_k", "top_p", "typical_p"},
	Varies: []string{"chat_template_kwargs", "ignore_eos", "logit_bias", "parallel_tool_calls", "reasoning_effort", "reasoning_format",
		"response_format.json_schema", "tool_choice", "tools"},
})
