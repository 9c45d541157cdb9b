package llm

// Usage counts the tokens of one call in disjoint classes: a token is in exactly
// one of them, so a cost is a plain sum.
type Usage struct {
	Input        int64 // uncached text input
	CacheRead    int64 // input read from the provider's prompt cache
	CacheWrite5m int64 // input written to a cache of five minutes
	CacheWrite1h int64 // input written to a cache of one hour
	Output       int64 // text output, reasoning included unless it is billed apart
	Reasoning    int64 // reasoning where it is billed apart from output
	AudioIn      int64
	AudioOut     int64
	AudioCached  int64
	ImageIn      int64
	ImageOut     int64
	ImageCached  int64
	Video        int64 // video input
	VideoOut     int64
	Citations    int64 // what a provider charges for the sources that it quotes, beside its output
	Fees         []Fee // charges per call rather than per token
	Estimated    bool  // counted by the gateway, not reported by the provider
	Clamped      bool  // the provider's report was inconsistent and a part was cut to its whole
}

// Fee is a charge for something counted per call, such as a web search.
type Fee struct {
	Name  string
	Count int64
	Rate  Rate  // femto-dollars for Per of them
	Per   int64 // what Rate is for, such as the 3600 seconds of an hour; 0 and 1: each
}

// FeeRate is the price of something that is counted per call.
type FeeRate struct {
	Name  string // as Fee has it
	Rate  Rate   // femto-dollars for Per of them
	Per   int64  // 0 and 1: each
	Least int64  // the least count that is billed where there is any; 0: what was counted
}

// InputTokens is everything the model read.
func (u *Usage) InputTokens() int64 {
	return u.Input + u.CacheRead + u.CacheWrite5m + u.CacheWrite1h + u.AudioIn + u.AudioCached + u.ImageIn + u.ImageCached + u.Video
}

// OutputTokens is everything the model wrote, reasoning and citations included.
func (u *Usage) OutputTokens() int64 {
	return u.Output + u.Reasoning + u.AudioOut + u.ImageOut + u.VideoOut + u.Citations
}

// Empty reports whether nothing was counted.
func (u *Usage) Empty() bool {
	return u.InputTokens() == 0 && u.OutputTokens() == 0 && len(u.Fees) == 0
}

// Add adds o's counts to u.
func (u *Usage) Add(o *Usage) {
	u.Input += o.Input
	u.CacheRead += o.CacheRead
	u.CacheWrite5m += o.CacheWrite5m
	u.CacheWrite1h += o.CacheWrite1h
	u.Output += o.Output
	u.Reasoning += o.Reasoning
	u.AudioIn += o.AudioIn
	u.AudioOut += o.AudioOut
	u.AudioCached += o.AudioCached
	u.ImageIn += o.ImageIn
	u.ImageOut += o.ImageOut
	u.ImageCached += o.ImageCached
	u.Video += o.Video
	u.VideoOut += o.VideoOut
	u.Citations += o.Citations
	u.Fees = append(u.Fees, o.Fees...)
	u.Estimated = u.Estimated || o.Estimated
	u.Clamped = u.Clamped || o.Clamped
}
