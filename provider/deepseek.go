package provider

// DeepSeek: https://api-docs.deepseek.com
var _ = compatible(Compatible{
	Name: "deepseek", BaseURL: "https://api.deepseek.com", Env: []string{"DEEPSEEK_API_KEY"},
})
