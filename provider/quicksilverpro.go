package provider

// QuickSilver Pro: https://quicksilverpro.io and https://pypi.org/project/quicksilverpro. It does not document its fields one by one.
var _ = compatible(Compatible{
	Name: "quicksilverpro", BaseURL: "https://api.quicksilverpro.io/v1", Env: []string{"QUICKSILVERPRO_API_KEY"},
	Fields: everywhere,
})
