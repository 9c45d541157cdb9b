package provider

import (
	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/llm"
)

// count is a number of a usage report.
type count uint8

// The numbers that are read. Those of one format share their places with those of another.
const (
	inputCount count = iota
	outputCount
	totalCount
	cacheRead
	cacheWrite   // of either time
	cacheWrite5m // part of cacheWrite where that is reported
	cacheWrite1h
	reasoning      // within the output, or outside as the format knows
	reasoningApart // beside the output, at a price of its own
	citations      // beside the output, at a price of their own

	metricInput // Bedrock's own count, beside that of the model's body
	metricOutput
	metricCacheRead
	metricCacheWrite

	billedInput  = metricInput // Cohere's billed units
	billedOutput = metricOutput
	billedImages = metricCacheRead
	toolInput    = metricInput  // Gemini: input beside the prompt
	thoughts     = metricOutput // Gemini: output beside the candidates
	vercel       = metricInput  // 1: Vercel's gateway reports
)

// Counts that are added up within one report, each of which starts at nothing.
const (
	audioIn = metricCacheWrite + 1 + iota
	imageIn
	videoIn
	audioCached
	imageCached
	videoCached
	audioOut
	imageOut
	videoOut
	summedInput
	summedOutput
	detailWrite1h
	compactInput
	compactOutput
	compactCacheRead
	compactCacheWrite

	firstAdded = audioIn
	lastAdded  = compactCacheWrite
)

// Counts of what the output shows, for reports that do not say it.
const (
	itemWebSearch = lastAdded + 1 + iota
	itemStorageSearch
	itemSocialSearch
	itemCodeExecution
	itemImageGeneration

	firstItem = itemWebSearch
	lastItem  = itemImageGeneration
)

// Counts of fees.
const (
	webSearch = lastItem + 1 + iota
	storageSearch
	socialSearch
	codeExecution
	imageGeneration
	searchUnits
	classifications
	audioSeconds

	countKinds
)

// fees says what is charged per call, and where else it shows.
var fees = [...]struct {
	reported count
	item     count // countKinds: nowhere
	name     string
}{
	{webSearch, itemWebSearch, FeeWebSearch},
	{storageSearch, itemStorageSearch, FeeStorageSearch},
	{socialSearch, itemSocialSearch, FeeSocialSearch},
	{codeExecution, itemCodeExecution, FeeCodeExecution},
	{imageGeneration, itemImageGeneration, FeeImageGeneration},
	{searchUnits, countKinds, FeeSearchUnit},
	{classifications, countKinds, FeeClassification},
	{audioSeconds, countKinds, FeeAudioSecond},
}

// counts are the numbers of a usage report, each within [0, maxCount].
type counts struct {
	n   [countKinds + 1]int64 // the last one stays 0
	bad bool                  // a number was negative or absurd, or a part larger than its whole
}

// maxCount bounds one count, so that sums of them cannot overflow.
const maxCount = 1 << 53

// integer reads a JSON number; 0 is what anything else counts.
func (c *counts) integer(value []byte) int64 {
	n := int64(0)
	for i, digit := range value {
		if digit < '0' || digit > '9' || i >= 15 {
			n = gjson.ParseBytes(value).Int()
			break
		}
		n = 10*n + int64(digit-'0')
	}
	if n < 0 || n > maxCount {
		c.bad = true
		return max(0, min(n, maxCount))
	}
	return n
}

// plus adds counts, up to maxCount.
func plus(a, b int64) int64 { return min(a+b, maxCount) }

// or takes the first of two counts that is not nothing.
func (c *counts) or(a, b count) int64 {
	if c.n[a] != 0 {
		return c.n[a]
	}
	return c.n[b]
}

// part takes up to n out of *whole, and flags what exceeds it.
func (c *counts) part(whole *int64, n int64) int64 {
	if n > *whole {
		c.bad = true
		n = *whole
	}
	*whole -= n
	return n
}

// some takes what it can of *n out of *whole.
func some(whole, n *int64) int64 {
	taken := min(*whole, *n)
	*whole -= taken
	*n -= taken
	return taken
}

// arithmetic says how a format counts: what its input and its output include.
type arithmetic uint8

// The ways to count.
const (
	countsNothing arithmetic = iota
	countsAsOpenAI
	countsAsAnthropic
	countsAsGemini
	countsAsBedrock
	countsAsCohere
)

// include makes the input and the output include all their parts, wherever the provider counts them.
func (c *counts) include(a arithmetic, model string) {
	switch a {
	case countsAsOpenAI:
		openaiCounts(c, model)
	case countsAsAnthropic:
		anthropicCounts(c)
	case countsAsGemini:
		geminiCounts(c, model)
	case countsAsBedrock:
		bedrockCounts(c)
	case countsAsCohere:
		cohereCounts(c)
	}
}

// classes cuts the input and the output, which include all their parts, into
// disjoint classes. A part larger than its whole is cut to it and flagged, never
// the whole. Where it is not said what cached tokens were, they are taken for text
// as far as there is text.
func (c *counts) classes() llm.Usage {
	n := &c.n
	var u llm.Usage
	text, output := n[inputCount], n[outputCount]
	u.AudioIn = c.part(&text, n[audioIn])
	u.ImageIn = c.part(&text, n[imageIn])
	u.Video = c.part(&text, n[videoIn])

	cached := n[cacheRead]
	u.AudioCached = c.part(&u.AudioIn, c.part(&cached, n[audioCached]))
	u.ImageCached = c.part(&u.ImageIn, c.part(&cached, n[imageCached]))
	u.CacheRead = c.part(&u.Video, c.part(&cached, n[videoCached])) + some(&text, &cached)
	u.AudioCached += some(&u.AudioIn, &cached)
	u.ImageCached += some(&u.ImageIn, &cached)
	u.CacheRead += some(&u.Video, &cached)
	c.bad = c.bad || cached > 0

	u.CacheWrite1h = c.part(&text, n[cacheWrite1h])
	u.CacheWrite5m = c.part(&text, n[cacheWrite5m])
	u.Input = text

	c.bad = c.bad || n[reasoning] > output
	u.AudioOut = c.part(&output, n[audioOut])
	u.ImageOut = c.part(&output, n[imageOut])
	u.VideoOut = c.part(&output, n[videoOut])
	u.Output = output
	u.Reasoning, u.Citations = n[reasoningApart], n[citations]
	u.Fees = c.fees()
	u.Clamped = c.bad
	return u
}

func (c *counts) fees() []llm.Fee {
	var list []llm.Fee
	for _, f := range fees {
		if n := c.or(f.reported, f.item); n > 0 {
			list = append(list, llm.Fee{Name: f.name, Count: n})
		}
	}
	return list
}

// splitWrites divides the cache writes by their time: what is not said to be of
// one hour is of five minutes, the default.
func (c *counts) splitWrites() {
	n := &c.n
	n[cacheWrite1h] = c.or(cacheWrite1h, detailWrite1h)
	known := plus(n[cacheWrite5m], n[cacheWrite1h])
	if n[cacheWrite] == 0 {
		n[cacheWrite] = known
	}
	rest := n[cacheWrite]
	n[cacheWrite1h] = c.part(&rest, n[cacheWrite1h])
	c.bad = c.bad || n[cacheWrite5m] > rest
	n[cacheWrite5m] = rest
}
