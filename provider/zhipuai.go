package provider

// Zhipu AI, whose platform abroad is Z.AI: https://docs.bigmodel.cn/api-reference. Of tool_choice it honours auto, of stop one sequence.
var _ = compatible(Compatible{
	Name: "zhipuai", Also: []string{"/embeddings"}, Aliases: []string{"zhipu", "bigmodel"}, BaseURL: "https://open.bigmodel.cn/api/paas/v4", Env: []string{"ZHIPUAI_API_KEY"},
	Fields:  []string{"max_tokens", "response_format.json_object", "temperature", "tools", "top_p"},
	Varies:  []string{"do_sample", "request_id", "stop", "thinking", "tool_choice", "user_id"},
	Refuses: []string{"n", "response_format.json_schema"},
})
