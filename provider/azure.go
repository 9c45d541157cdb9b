package provider

// Azure OpenAI, v1 API: https://learn.microsoft.com/azure/ai-foundry/openai/latest
var _ = compatible(Compatible{
	Name: "azure", Also: []string{"/responses", "/embeddings"}, Env: []string{"AZURE_OPENAI_API_KEY"}, KeyHeader: "Api-Key",
	Fields: []string{"frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "metadata", "n",
		"parallel_tool_calls", "presence_penalty", "prompt_cache_key", "response_format", "safety_identifier", "seed", "stop", "store",
		"temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user"},
	Varies:  []string{"audio", "modalities", "prediction", "prompt_cache_retention", "reasoning_effort", "service_tier", "verbosity", "data_sources"},
	Refuses: []string{"web_search_options"},
})
