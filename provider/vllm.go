package provider

// vLLM: https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
var _ = compatible(Compatible{
	Name: "vllm", NoKey: true,
})
