package provider

// Avian: https://avian.io/docs. It does not document its fields one by one.
var _ = compatible(Compatible{
	Name: "avian", BaseURL: "https://api.avian.io/v1", Env: []string{"AVIAN_API_KEY"},
	Fields: everywhere,
})
