package proxy

import (
	"strings"

	"github.com/generic-corp/halfpenny/llm"
)

// callersNames are the fields of a dialect's requests by the names in OpenAI's chat
// under which they are noted.
var callersNames = [llm.Dialects]map[string]string{
	llm.DialectAnthropic: {"reasoning_effort": "thinking", "stop": "stop_sequences", "user": "metadata", "response_format": "output_config"},
	llm.DialectResponses: {
		"reasoning_effort": "reasoning", "response_format": "text", "verbosity": "text", "messages": "input", "logprobs": "include",
		"max_completion_tokens": "max_output_tokens", "max_tokens": "max_output_tokens",
	},
	llm.DialectGemini: {
		"messages": "contents", "tool_choice": "toolConfig", "reasoning_effort": "generationConfig.thinkingConfig", "response_format": "generationConfig.responseSchema",
		"max_completion_tokens": "generationConfig.maxOutputTokens", "max_tokens": "generationConfig.maxOutputTokens", "n": "generationConfig.candidateCount",
		"stop": "generationConfig.stopSequences", "temperature": "generationConfig.temperature", "top_p": "generationConfig.topP", "top_k": "generationConfig.topK",
		"seed": "generationConfig.seed", "presence_penalty": "generationConfig.presencePenalty", "frequency_penalty": "generationConfig.frequencyPenalty",
		"logprobs": "generationConfig.responseLogprobs", "top_logprobs": "generationConfig.logprobs", "modalities": "generationConfig.responseModalities",
	},
}

// inCallersWords names the field of a refusal as the caller does.
func (c *call) inCallersWords(err *llm.Error) *llm.Error {
	end := strings.IndexAny(err.Param, ".[")
	if end < 0 {
		end = len(err.Param)
	}
	if name := callersNames[c.dialect][err.Param[:end]]; name != "" {
		err.Message = strings.ReplaceAll(err.Message, "'"+err.Param+"'", "'"+name+"'")
		err.Param = name
	}
	return err
}
