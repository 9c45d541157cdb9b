package provider

// Modal's shared endpoints: https://modal.com/docs/guide/endpoints and, for the address, https://mastra.ai/models/providers/modal. It
// does not document its fields one by one.
var _ = compatible(Compatible{
	Name: "modal", BaseURL: "https://inference.us-west.modal.direct/v1", Env: []string{"MODAL_PROXY_TOKEN"},
	Fields: everywhere,
})
