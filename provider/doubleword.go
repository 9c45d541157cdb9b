package provider

// Doubleword: https://docs.doubleword.ai/inference-api. It does not document its fields one by one.
var _ = compatible(Compatible{
	Name: "doubleword", Also: []string{"/embeddings"}, BaseURL: "https://api.doubleword.ai/v1", Env: []string{"DOUBLEWORD_API_KEY"},
	Fields: everywhere,
})
