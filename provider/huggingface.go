package provider

// Hugging Face Inference Providers: https://huggingface.co/docs/inference-providers/tasks/chat-completion
var _ = compatible(Compatible{
	Name: "huggingface", BaseURL: "https://router.huggingface.co/v1", Env: []string{"HF_TOKEN"},
})
