package provider

// Voyage AI, which has embeddings alone: https://docs.voyageai.com/reference/embeddings-api. It calls dimensions output_dimension.
var _ = compatible(Compatible{
	Name: "voyageai", Also: []string{"/embeddings"}, NoChat: true, Aliases: []string{"voyage"}, BaseURL: "https://api.voyageai.com/v1",
	Env: []string{"VOYAGE_API_KEY"},
})
