package provider

// Nebius Token Factory: https://docs.tokenfactory.nebius.com/api-reference/introduction. What else it takes depends on the model.
var _ = compatible(Compatible{
	Name: "nebius", Also: []string{"/embeddings"}, BaseURL: "https://api.tokenfactory.nebius.com/v1", Env: []string{"NEBIUS_API_KEY"},
	Fields: everywhere,
})
