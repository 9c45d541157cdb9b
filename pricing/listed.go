package pricing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/generic-corp/halfpenny/pricing/genai"
)

// ListURL is where genai-prices publishes its list.
const ListURL = "https://raw.githubusercontent.com/pydantic/genai-prices/main/prices/new_data/v2/data.json"

// listKinds are our kinds of provider where genai-prices calls them otherwise.
var listKinds = map[string]string{
	"aws": "bedrock", "google": kindVertex, "x-ai": "xai", "moonshotai": "moonshot",
}

// ListKind returns the kind of provider that a provider of genai-prices is. Its
// google is Vertex AI, whose list the Gemini API shares.
func ListKind(provider string) string {
	if kind := listKinds[provider]; kind != "" {
		return kind
	}
	return provider
}

// ListHost returns the kind of provider, and the model's name there, that an entry
// of genai-prices is for. Of google's models Claude is on Vertex AI alone. Hugging
// Face serves what other providers compute, and takes their name behind the model's.
func ListHost(provider, name string) (kind, at string) {
	if provider == "google" && !strings.HasPrefix(name, "claude") {
		return kindGemini, name
	}
	if behind, ok := strings.CutPrefix(provider, kindHuggingFace+"_"); ok {
		return kindHuggingFace, name + ":" + behind
	}
	return ListKind(provider), name
}

// ListName returns a name that means an entry of genai-prices at its provider: its
// id if that does, else the first one of its rules that does. The id of an entry
// for the regions of AWS stands for several prefixes, of which us is taken. Empty:
// none does, for other entries come first.
func ListName(list []genai.Provider, provider string, m *genai.Model) string {
	names := append([]string{m.ID}, m.Match.Texts()...)
	if rest, ok := strings.CutPrefix(m.ID, "regional."); ok {
		names[0] = "us." + rest
	}
	for _, name := range names {
		if _, found := genai.Find(list, provider, name); found == m {
			return name
		}
	}
	return ""
}

// unit returns where the price of a class goes that genai-prices states per million
// tokens, or nil.
func (f *FilePrice) unit(name string) *string {
	switch name {
	case "input_mtok":
		return &f.Input
	case "cache_read_mtok":
		return &f.CacheRead
	case "cache_write_mtok":
		return &f.CacheWrite5m // and of an hour where that has no price of its own
	case "cache_write_1h_mtok":
		return &f.CacheWrite1h
	case "output_mtok":
		return &f.Output
	case "output_reasoning_mtok":
		return &f.Reasoning
	case "output_citation_mtok":
		return &f.Citations
	case "input_audio_mtok":
		return &f.AudioIn
	case "output_audio_mtok":
		return &f.AudioOut
	case "cache_audio_read_mtok":
		return &f.AudioCached
	case "input_image_mtok":
		return &f.ImageIn
	case "output_image_mtok":
		return &f.ImageOut
	case "cache_image_read_mtok":
		return &f.ImageCached
	case "input_video_mtok":
		return &f.Video
	case "output_video_mtok":
		return &f.VideoOut
	}
	return nil
}

// listFees are what genai-prices prices per call, as Fee.Name has it.
var listFees = map[string]FileFee{
	"web_searches_kcount":             {Name: "web_search", Per: 1000},
	"storage_searches_kcount":         {Name: "storage_search", Per: 1000},
	"social_searches_kcount":          {Name: "social_search", Per: 1000},
	"code_executions_kcount":          {Name: "code_execution", Per: 1000},
	"rerank_searches_kcount":          {Name: "search_unit", Per: 1000},
	"requests_kcount":                 {Name: FeeRequest, Per: 1000},
	"input_text_messages_kcount":      {Name: "text_message", Per: 1000},
	"input_document_kpages":           {Name: "document_page", Per: 1000},
	"input_annotated_document_kpages": {Name: "annotated_page", Per: 1000},
	"audio_hours":                     {Name: "audio_second", Per: 3600},
	"input_audio_hours":               {Name: "input_audio_second", Per: 3600},
	"output_audio_hours":              {Name: "output_audio_second", Per: 3600},
	"input_mchars":                    {Name: "character", Per: 1_000_000},
	"input_gpixels":                   {Name: "pixel", Per: 1_000_000_000},
}

// leastAudio is what Groq bills at least for a transcription, in seconds, which
// genai-prices has in its code (console.groq.com/docs/speech-to-text).
func leastAudio(provider, model string) int64 {
	if provider == "groq" && (model == "whisper-large-v3" || model == "whisper-large-v3-turbo") {
		return 10
	}
	return 0
}

// ListPrices returns the rows of an entry of genai-prices, in its order: a row for
// each set of prices and each of its context bands. An entry without prices has no
// row, and one whose name says that it is free a row of zero. A price that there is
// no class for is an error. source is the rows' provenance.
func ListPrices(provider string, m *genai.Model, source string) ([]FilePrice, error) {
	var rows []FilePrice
	for i, set := range m.Prices {
		if len(set.Price) == 0 && len(m.Prices) == 1 {
			if !strings.HasSuffix(m.ID, ":free") {
				return nil, nil
			}
			return []FilePrice{{Input: "0", Output: "0", Source: source + "; free by its name"}}, nil
		}
		if set.Hours != nil && set.Hours.Start == set.Hours.End {
			continue // an empty span, by calcPrice's reading
		}
		for _, above := range bands(set.Price) {
			row := FilePrice{Above: above, Source: source}
			if i > 0 { // the first is in force where no other is
				if set.Hours != nil {
					row.Hours = set.Hours.String()
				}
				if !set.From.IsZero() {
					row.From = set.From.Format("2006-01-02")
				}
			}
			if err := row.fill(set.Price, leastAudio(provider, m.ID)); err != nil {
				return nil, fmt.Errorf("%s at %s: %w", m.ID, provider, err)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// bands are the starts of the context bands of a set of prices, upwards from 0.
func bands(prices map[string]genai.Price) []int64 {
	starts := []int64{0}
	for _, p := range prices {
		for _, tier := range p.Tiers {
			starts = append(starts, tier.Start)
		}
	}
	slices.Sort(starts)
	return slices.Compact(starts)
}

// fill writes the prices of the row's band.
func (f *FilePrice) fill(prices map[string]genai.Price, least int64) error {
	for unit, price := range prices {
		n := price.Base
		for _, tier := range price.Tiers {
			if tier.Start <= f.Above {
				n = tier.Price
			}
		}
		if to := f.unit(unit); to != nil {
			text, err := RateText(n)
			if err != nil {
				return err
			}
			*to = text
			continue
		}
		fee, known := listFees[unit]
		if !known {
			return fmt.Errorf("there is no class for the price of %s", unit)
		}
		text, err := RateText(n)
		if err != nil {
			return err
		}
		fee.Price = text
		if strings.HasSuffix(fee.Name, "audio_second") {
			fee.Least = least
		}
		f.Fees = append(f.Fees, fee)
	}
	slices.SortFunc(f.Fees, func(a, b FileFee) int { return strings.Compare(a.Name, b.Name) })
	return nil
}
