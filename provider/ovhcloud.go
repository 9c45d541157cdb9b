package provider

// OVHcloud AI Endpoints: https://help.ovhcloud.com/csm/en-public-cloud-ai-endpoints-getting-started. Without a key it answers, at a low
// rate. What else it takes depends on the model.
var _ = compatible(Compatible{
	Name: "ovhcloud", Also: []string{"/embeddings"}, BaseURL: "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1",
	Env: []string{"OVHCLOUD_API_KEY", "OVH_AI_ENDPOINTS_ACCESS_TOKEN"}, NoKey: true,
	Fields: everywhere,
})
