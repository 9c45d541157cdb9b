package provider

// Alibaba Cloud Model Studio (DashScope), at its international endpoint: https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope.
// Of models that can think or not, enable_thinking decides: https://www.alibabacloud.com/help/en/model-studio/deep-thinking
var _ = compatible(Compatible{
	Name: "alibaba", Also: []string{"/embeddings"}, Aliases: []string{"dashscope"},
	BaseURL: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", Env: []string{"DASHSCOPE_API_KEY"},
	Fields: everywhere,
	Varies: []string{"enable_thinking"},
})
