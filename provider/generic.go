package provider

// Any server that speaks OpenAI's chat API
var _ = compatible(Compatible{
	Name: "compatible", Also: []string{"/embeddings", "/completions"}, NoKey: true,
	Fields: everywhere,
})
