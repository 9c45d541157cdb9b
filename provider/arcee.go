package provider

// Arcee AI: https://docs.arcee.ai and, for the address, https://docs.openclaw.ai/providers/arcee. It does not document its fields one by one.
var _ = compatible(Compatible{
	Name: "arcee", BaseURL: "https://api.arcee.ai/api/v1", Env: []string{"ARCEEAI_API_KEY", "ARCEE_API_KEY"},
	Fields: everywhere,
})
