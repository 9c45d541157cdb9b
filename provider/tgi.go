package provider

// Hugging Face's Text Generation Inference: https://huggingface.co/docs/text-generation-inference/messages_api. It says of n and of
// logit_bias that they are unused: https://huggingface.github.io/text-generation-inference
var _ = compatible(Compatible{
	Name: "tgi", Also: []string{"/completions"}, NoKey: true,
	Fields:  []string{"frequency_penalty", "logprobs", "max_tokens", "presence_penalty", "seed", "stop", "temperature", "top_logprobs", "top_p"},
	Varies:  []string{"response_format", "tool_choice", "tool_prompt", "tools"},
	Refuses: []string{"logit_bias", "n"},
})
