package provider

// Baseten's Model APIs: https://docs.baseten.co/development/model-apis/overview. What else they take depends on the model.
var _ = compatible(Compatible{
	Name: "baseten", BaseURL: "https://inference.baseten.co/v1", Env: []string{"BASETEN_API_KEY"},
	Fields: everywhere,
})
