package provider

// Hyperbolic: https://docs.hyperbolic.xyz/docs/rest-api. What else it takes depends on the model.
var _ = compatible(Compatible{
	Name: "hyperbolic", BaseURL: "https://api.hyperbolic.xyz/v1", Env: []string{"HYPERBOLIC_API_KEY"},
	Fields: everywhere,
})
