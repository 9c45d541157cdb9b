package provider

// Perplexity: https://docs.perplexity.ai/api-reference/chat-completions-post (usage is in every stream)
var _ = compatible(Compatible{
	Name: "perplexity", BaseURL: "https://api.perplexity.ai", Env: []string{"PERPLEXITY_API_KEY"},
	NoStreamOptions: true,
	Fields: []string{"disable_search", "frequency_penalty", "max_tokens", "presence_penalty", "response_format.json_schema", "search_domain_filter",
		"search_mode", "search_recency_filter", "stop", "temperature", "top_p", "web_search_options"},
	Varies: []string{"image_domain_filter", "image_format_filter", "language_preference", "last_updated_after_filter", "last_updated_before_filter",
		"media_response", "parallel_tool_calls", "reasoning_effort", "return_images", "return_related_questions", "search_after_date_filter",
		"search_before_date_filter", "stream_mode", "tool_choice", "tools", "top_k"},
	Refuses: []string{"response_format.json_object"},
})
