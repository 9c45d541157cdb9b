package provider

// Moonshot AI: https://platform.moonshot.ai/docs/api/chat
var _ = compatible(Compatible{
	Name: "moonshot", Aliases: []string{"moonshotai"}, BaseURL: "https://api.moonshot.ai/v1", Env: []string{"MOONSHOT_API_KEY"},
})
