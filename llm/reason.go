package llm

var reasonMeanings = [...]string{
	ReasonNone:            "eligible",
	ReasonPinned:          "exactly this model at this provider was asked for",
	ReasonNamed:           "the cheapest healthy host of the model that was named",
	ReasonCheapestCapable: "the cheapest of the models that are capable enough",
	ReasonSubstituted:     "cheaper than the model that was named, and taken to be as capable",
	ReasonFallback:        "takes over if those before it fail",
	ReasonOnlyCandidate:   "nothing else was eligible",
	ReasonNotAllowed:      "the tenant's policy does not allow it",
	ReasonNotCapable:      "less capable than asked for",
	ReasonNoEvidence:      "nothing is known of how capable it is",
	ReasonContext:         "the prompt and the answer do not fit its context window",
	ReasonModality:        "it does not take, or give, what the request holds beside text",
	ReasonTools:           "it does not call tools",
	ReasonStructured:      "it does not answer in the structure that was asked for",
	ReasonParameter:       "it does not support a field of the request",
	ReasonDialect:         "it does not serve this kind of request",
	ReasonCooling:         "it is left alone for a while after failures",
	ReasonDearer:          "it costs more than others that are as good",
	ReasonMaxCost:         "it would cost more than the call may",
	ReasonUnpriced:        "its price is not known",
	ReasonToolChain:       "a running tool chain stays with its model",
	ReasonPreference:      "the request's provider preferences rule it out",
	ReasonOtherModel:      "it is not the model that was named",
	ReasonTestOnly:        "test keys reach only the simulation, and other keys only real providers",
	ReasonRegion:          "it is outside the regions that the tenant's policy allows",
	ReasonCached:          "an exact repeat, answered from the cache",
	ReasonHoldout:         "served as named, to measure what other models save",
	ReasonConversation:    "the conversation is with this model",
}

// Meaning returns the reason in words, as a part of a sentence.
func (r Reason) Meaning() string { return nameOf(reasonMeanings[:], int(r)) }
