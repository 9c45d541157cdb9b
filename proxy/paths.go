package proxy

import (
	"strings"

	"github.com/generic-corp/halfpenny/llm"
)

// path is what a path of the data plane asks for.
type path struct {
	dialect  llm.Dialect
	endpoint llm.Endpoint
	handle   func(*call) *llm.Error
	// Of paths in Gemini's dialect, which have in them what others have in the body:
	// https://ai.google.dev/api/all-methods.
	model  string
	method string
	stream bool
	// Of passthrough: the account, and the path of its provider's own API.
	account string
	at      string
}

var paths = map[string]path{
	"/v1/chat/completions":      {dialect: llm.DialectOpenAI, endpoint: llm.EndpointChat, handle: (*call).forwarded},
	"/v1/responses":             {dialect: llm.DialectResponses, endpoint: llm.EndpointChat, handle: (*call).forwarded},
	"/v1/completions":           {dialect: llm.DialectOpenAI, endpoint: llm.EndpointCompletions, handle: (*call).forwarded},
	"/v1/embeddings":            {dialect: llm.DialectOpenAI, endpoint: llm.EndpointEmbeddings, handle: (*call).forwarded},
	"/v1/moderations":           {dialect: llm.DialectOpenAI, endpoint: llm.EndpointModerations, handle: (*call).forwarded},
	"/v1/images/generations":    {dialect: llm.DialectOpenAI, endpoint: llm.EndpointImages, handle: (*call).forwarded},
	"/v1/audio/speech":          {dialect: llm.DialectOpenAI, endpoint: llm.EndpointSpeech, handle: (*call).forwarded},
	"/v1/audio/transcriptions":  {dialect: llm.DialectOpenAI, endpoint: llm.EndpointTranscriptions, handle: (*call).forwarded},
	"/v1/audio/translations":    {dialect: llm.DialectOpenAI, endpoint: llm.EndpointTranslations, handle: (*call).forwarded},
	"/v1/messages":              {dialect: llm.DialectAnthropic, endpoint: llm.EndpointChat, handle: (*call).forwarded},
	"/v1/messages/count_tokens": {dialect: llm.DialectAnthropic, endpoint: llm.EndpointChat, handle: (*call).countTokens},
	"/v1/models":                {dialect: llm.DialectOpenAI, endpoint: llm.EndpointModels, handle: (*call).models},
	"/v1beta/models":            {dialect: llm.DialectGemini, endpoint: llm.EndpointModels, handle: (*call).models},
}

// The prefixes of paths that name a model, and of passthrough.
const (
	modelPath       = "/v1/models/"
	geminiModelPath = "/v1beta/models/"
	passthroughPath = "/passthrough/"
)

// geminiMethods are what a model can be asked to do in Gemini's dialect.
var geminiMethods = map[string]path{
	"generateContent":       {endpoint: llm.EndpointChat, handle: (*call).forwarded},
	"streamGenerateContent": {endpoint: llm.EndpointChat, handle: (*call).forwarded, stream: true},
	"embedContent":          {endpoint: llm.EndpointEmbeddings, handle: (*call).forwarded},
	"batchEmbedContents":    {endpoint: llm.EndpointEmbeddings, handle: (*call).forwarded},
	"countTokens":           {endpoint: llm.EndpointChat, handle: (*call).countTokens},
}

// pathOf returns what a path asks for; false: it is not one of the data plane's.
func pathOf(p []byte) (path, bool) {
	if found, ok := paths[string(p)]; ok {
		return found, true
	}
	s := string(p)
	if rest, ok := strings.CutPrefix(s, passthroughPath); ok {
		account, at, _ := strings.Cut(rest, "/")
		return path{handle: (*call).passed, account: account, at: "/" + at}, true
	}
	if name, ok := strings.CutPrefix(s, modelPath); ok && name != "" {
		return path{dialect: llm.DialectOpenAI, endpoint: llm.EndpointModels, handle: (*call).models, model: name}, true
	}
	if name, ok := strings.CutPrefix(s, geminiModelPath); ok && name != "" {
		return geminiPath(name), true
	}
	// Vercel's AI SDK leaves out "models/" before a name that holds a slash.
	if name, ok := strings.CutPrefix(s, "/v1beta/"); ok && geminiPath(name).method != "" {
		return geminiPath(name), true
	}
	return path{}, false
}

// geminiPath reads a model and what it is asked to do. Models' names may hold colons.
func geminiPath(name string) path {
	if i := strings.LastIndexByte(name, ':'); i > 0 {
		if found, ok := geminiMethods[name[i+1:]]; ok {
			found.dialect, found.model, found.method = llm.DialectGemini, name[:i], name[i+1:]
			return found
		}
	}
	return path{dialect: llm.DialectGemini, endpoint: llm.EndpointModels, handle: (*call).models, model: name}
}

// DialectOf returns the dialect in which a path answers.
func DialectOf(p string) llm.Dialect {
	switch {
	case strings.HasPrefix(p, "/v1/messages"):
		return llm.DialectAnthropic
	case strings.HasPrefix(p, "/v1beta/"):
		return llm.DialectGemini
	case strings.HasPrefix(p, "/v1/responses"):
		return llm.DialectResponses
	}
	return llm.DialectOpenAI
}
