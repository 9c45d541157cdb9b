package traffic

// everyone is all who are not of the API's own dialect.
var everyone = []string{"chat", "anthropic", "gemini", "responses"}

// differences are the answers that differ and why; any other fails the test, and so does
// one of these that does not differ.
var differences = []struct {
	reason  string
	clients []string
	ids     []string
}{
	{"the recording holds several streams of a conversation: the gateway's answer ends with the first, the golden summary mixes them", except("anthropic"), []string{
		"anthropic-messages_anthropic_583c49ee50", "anthropic-messages_anthropic_6f075521a5", "anthropic-messages_anthropic_d3b57765ae", "anthropic-messages_anthropic_ec398d606d",
	}},
	{"the recording holds several streams of a conversation: the gateway's answer ends with the first, the golden summary mixes them", except("responses"), []string{
		"openai-responses_openai_e56e36d1dd",
	}},
	{"Anthropic's explanation of a refusal, which the golden summary leaves out, is OpenAI's refusal", []string{"chat", "responses"}, []string{
		"anthropic-messages_anthropic_80f1669118", "anthropic-messages_anthropic_f7d19ddfd4",
	}},
	{"a refusal is a reason to finish, which OpenAI's API calls stop", []string{"anthropic", "gemini"}, []string{
		"openai-chat_openai_1fd6bc9609", "openai-chat_openai_b0359ea368", "openai-chat_openai_c6b71dcf44",
		"openai-responses_openai_36404e4089", "openai-responses_openai_f0f032e5ef",
	}},
	{"tools called by Anthropic's own code execution: these clients know a call by its presence, not by the finish", []string{"gemini", "responses"}, []string{
		"anthropic-messages_anthropic_b7273663c9",
	}},
	{"a legacy function call becomes a call of a tool", except("chat"), []string{
		"openai-chat_openai_9ddbe31bf2", "openai-chat_openai_b80296b4c0", "openai-chat_openai_c155479907",
	}},
	{"the golden summary leaves the call of a custom tool out, and so says stop", []string{"chat"}, []string{"openai-responses_openai_2cad3675ea"}},
	{"the call of a custom tool, for which these clients cannot ask, comes without its name and its input", []string{"anthropic", "gemini"}, []string{
		"openai-responses_openai_2cad3675ea",
	}},
	{"Groq reports usage in x_groq, where the golden summary does not look", except("chat"), []string{"openai-chat_groq_36cb110c06"}},
	{"Moonshot reports what was cached beside the details, where the golden summary does not look", except("chat"), []string{"openai-chat_moonshot_b243fdae99"}},
	{"status 200 with an error and no answer: the gateway gives it the status that it names", append(except("chat"), own, passthrough), []string{"openai-chat_azure_6438b1679e"}},
	{"version 1 of Cohere's API, which the gateway does not speak", everyone, []string{"cohere-chat_cohere_bc41428984"}},
	{"version 1 of Cohere's API, which is not metered", []string{passthrough}, []string{"cohere-chat_cohere_bc41428984"}},
	{"Azure answered a call of responses with a chat completion", except("responses"), []string{"openai-responses_azure_14f85b23c8"}},
	{"the recorded events lack their last brace", except("responses"), []string{"openai-responses_openai_bf0e3517de"}},
	{"the gateway refuses by itself what the provider would, in words of its own", []string{own}, []string{
		"openai-chat_openai_30cb76d8eb", "openai-chat_openai_59fd92410e", "openai-completions_openai_61dbc7ae2e",
	}},
	{"the gateway refuses a request without a body, as the recording has it", []string{passthrough}, []string{
		"bedrock-invoke_bedrock_627196a173", "bedrock-invoke-with-response-stream_bedrock_d2d6614a47",
	}},
}

// except is everyone but the clients of one dialect.
func except(own string) (others []string) {
	for _, d := range everyone {
		if d != own {
			others = append(others, d)
		}
	}
	return others
}

// known is why an answer differs, by client and id.
var known = func() map[string]string {
	all := map[string]string{}
	for _, d := range differences {
		for _, c := range d.clients {
			for _, id := range d.ids {
				all[c+" "+id] = d.reason
			}
		}
	}
	return all
}()
