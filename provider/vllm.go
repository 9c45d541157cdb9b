package provider

// vLLM: https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html. It ignores what it does not know.
var _ = compatible(Compatible{
	Name: "vllm", Also: []string{"/responses", "/embeddings", "/completions"}, NoKey: true,
	Fields: []string{"frequency_penalty", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "min_p", "n", "presence_penalty",
		"repetition_penalty", "response_format", "seed", "stop", "temperature", "top_k", "top_logprobs", "top_p"},
	Varies: []string{"add_generation_prompt", "bad_words", "chat_template", "chat_template_kwargs", "echo", "guided_choice", "guided_grammar", "guided_json",
		"guided_regex", "ignore_eos", "include_reasoning", "include_stop_str_in_output", "length_penalty", "min_tokens", "parallel_tool_calls",
		"priority", "prompt_logprobs", "reasoning_effort", "skip_special_tokens", "spaces_between_special_tokens", "stop_token_ids",
		"structured_outputs", "tool_choice", "tools", "use_beam_search"},
	Refuses: []string{"audio", "modalities", "prediction", "service_tier", "store", "verbosity", "web_search_options"},
})
