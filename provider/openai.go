package provider

// OpenAI: https://platform.openai.com/docs/api-reference/chat/create
var _ = compatible(Compatible{
	Name: "openai", BaseURL: "https://api.openai.com/v1", Env: []string{"OPENAI_API_KEY"},
	Also: []string{"/responses", "/embeddings", "/completions", "/moderations", "/images/generations", "/audio/speech", "/audio/transcriptions", "/audio/translations"},
	// https://platform.openai.com/docs/models: "Responses API only"
	ResponsesOnly: []string{"o[0-9]-pro*", "gpt-5*-pro*", "gpt-5*codex*", "codex-*", "o[0-9]*-deep-research*", "computer-use-preview*"},
	Unlisted:      []string{"omni-moderation-latest", "omni-moderation-2024-09-26", "dall-e-2", "dall-e-3", "tts-1", "tts-1-hd"},
	Fields: []string{"frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "metadata", "n",
		"parallel_tool_calls", "presence_penalty", "prompt_cache_key", "reasoning_effort", "response_format", "safety_identifier", "seed",
		"service_tier", "stop", "store", "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user"},
	Varies: []string{"audio", "modalities", "moderation", "prediction", "prompt_cache_options", "prompt_cache_retention", "verbosity", "web_search_options"},
})
