package provider

// Any server that speaks OpenAI's chat API
var _ = compatible(Compatible{
	Name: "compatible", NoKey: true,
	Fields: everywhere,
})
