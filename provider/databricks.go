package provider

// Databricks' Foundation Model APIs: https://docs.databricks.com/aws/en/machine-learning/foundation-model-apis/api-reference. Its address
// has the workspace: https://{workspace}/serving-endpoints
var _ = compatible(Compatible{
	Name: "databricks", Also: []string{"/embeddings", "/completions"}, Env: []string{"DATABRICKS_TOKEN"},
	Fields: everywhere,
})
