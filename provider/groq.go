package provider

// Groq: https://console.groq.com/docs/openai
var _ = compatible(Compatible{
	Name: "groq", BaseURL: "https://api.groq.com/openai/v1", Env: []string{"GROQ_API_KEY"},
})
