package pricing

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/pkoukk/tiktoken-go"
	tiktoken_loader "github.com/pkoukk/tiktoken-go-loader"
	"github.com/pkoukk/tiktoken-go-loader/assets"
	"pgregory.net/rapid"
)

// checks pairs each encoding with tiktoken-go, whose counts ours must equal.
var checks = sync.OnceValue(func() []check {
	tiktoken.SetBpeLoader(tiktoken_loader.NewOfflineLoader())
	var all []check
	for name, ours := range map[string]func() *Encoding{"o200k_base": O200k, "cl100k_base": Cl100k} {
		oracle, err := tiktoken.GetEncoding(name)
		if err != nil {
			panic(err)
		}
		all = append(all, check{name, ours(), oracle})
	}
	return all
})

type check struct {
	name   string
	ours   *Encoding
	oracle *tiktoken.Tiktoken
}

func mustCountLikeOracle(t interface {
	Helper()
	Fatalf(string, ...any)
}, text string) {
	t.Helper()
	for _, c := range checks() {
		got, want := c.ours.Count([]byte(text)), len(c.oracle.EncodeOrdinary(text))
		if got != want {
			t.Fatalf("%q has %d tokens of %s, tiktoken says %d", text, got, c.name, want)
		}
	}
}

func TestCountEqualsTiktoken(t *testing.T) {
	for _, text := range []string{
		"", "a", " ", "\n", "hello world", "Hello, World!", "don't DON'T we'll WE'LL I'd they'Re it'ſ",
		"1 12 123 1234 12345678", "x = a[i]+b[j]; // done\n\n\tif (x) {\r\n  return;\n}", "https://example.com/a/b?c=d",
		"   leading", "trailing   ", "a  b   c    d", "\n\n\n", " \n \n x", "\t\tx", "\u00a0x\u2003y", "!!!\n/\n", "...///",
		"it's 'sword 'LLama x'vex ''re", "a/b //\n/\n", "\t'd",
		"日本語のテキスト", "Zażółć gęślą jaźń", "ΑΒΓαβγ", "Ǆ ǅ ǆ", "ʰʰA", "e\u0301te\u0301", "\u0301a", "\u0301\u0301", "x\u0301\u0301y",
		"🙂🙂👩‍👩‍👧", "١٢٣٤٥", "ⅣⅤ", "안녕하세요", "हिन्दी", "𝒜𝓑𝔠", "𐐀𐐨", "\u200d\u200bword", "ABCdefGHI", "camelCaseString", "HTTPServer",
		strings.Repeat("a", 96), strings.Repeat("a", 97), strings.Repeat("ab", 300), strings.Repeat("=", 500), strings.Repeat(" ", 300) + "x",
	} {
		mustCountLikeOracle(t, text)
	}
}

func TestCountEqualsTiktokenOnAnyText(t *testing.T) {
	parts := rapid.SampledFrom([]string{"a", "B", "the", " the", "ing", "'s", "'LL", "1", "42", " ", "  ", "\n", "\r\n", "\t", "!", "/", "//", "-", "_", "é", "e\u0301",
		"ß", "Ж", "ж", "中", "文", "ー", "🙂", "\u00a0", "\u2028", "ǅ", "ʰ", "٣", "ſ", "\u200d", "{", "}", "\"", "\\n", "<|endoftext|>", "function", "İ", "K"})
	rapid.Check(t, func(t *rapid.T) {
		mustCountLikeOracle(t, strings.Join(rapid.SliceOfN(parts, 0, 40).Draw(t, "parts"), ""))
		mustCountLikeOracle(t, rapid.StringN(0, 60, -1).Draw(t, "text"))
	})
}

func TestCountEqualsTiktokenOnLongPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.SliceOfN(rapid.SampledFrom([]rune("abcdeé中")), 90, 400).Draw(t, "letters")
		mustCountLikeOracle(t, string(letters))
	})
}

func TestCountEqualsTiktokenOnThisCode(t *testing.T) {
	for _, file := range []string{"bpe.go", "splitter.go", "catalogue.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		mustCountLikeOracle(t, string(text[:min(len(text), 20_000)]))
	}
}

// A run of one letter is what makes a naive merger quadratic; a cut every 4 KB
// keeps it linear at the price of a token each.
func TestCountOfEndlessWordIsLinear(t *testing.T) {
	got := O200k().Count([]byte(strings.Repeat("a", 1<<20)))
	if want := (1 << 20) / 8; got < want || got > want+1<<8 {
		t.Errorf("1 MB of a letter counts as %d tokens, want about %d", got, want)
	}
}

func TestNewEncodingRefusesBadRanks(t *testing.T) {
	for _, ranks := range []string{"x", "YQ== x", "YQ== -1", "YQ== 1\nYg== 0", "YQ== 99999999", "%% 0", "YQ=="} {
		if _, err := newEncoding([]byte(ranks), false); err == nil {
			t.Errorf("ranks %q are accepted", ranks)
		}
	}
}

func FuzzCount(f *testing.F) {
	f.Add([]byte("hello world"))
	f.Add([]byte("\xff\xfe\x80a"))
	f.Fuzz(func(t *testing.T, text []byte) {
		text = text[:min(len(text), 2000)]
		for _, e := range []*Encoding{O200k(), Cl100k()} {
			if got := e.Count(text); got < 0 || got > len(text) || got == 0 && len(text) > 0 {
				t.Fatalf("%q has %d tokens", text, got)
			}
		}
		if utf8.Valid(text) {
			mustCountLikeOracle(t, string(text))
		}
	})
}

// Texts of a size in bytes, one for each kind, and the worst case of a merger.
func texts(size int) map[string][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, size)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	repeat := func(s string) []byte { return bytes.Repeat([]byte(s), 1+size/len(s))[:size] }
	return map[string][]byte{
		"english": repeat(english), "code": repeat(code), "chinese": repeat(chinese), "letter": repeat("a"),
		"base64": []byte(base64.StdEncoding.EncodeToString(noise)[:size]),
	}
}

func BenchmarkCount(b *testing.B) {
	for _, encoding := range []struct {
		name  string
		build func() *Encoding
	}{{"o200k", O200k}, {"cl100k", Cl100k}} {
		for _, size := range []int{2 << 10, 100 << 10, 1 << 20} {
			for name, text := range texts(size) {
				b.Run(fmt.Sprintf("%s/%dKB/%s", encoding.name, size>>10, name), func(b *testing.B) {
					e := encoding.build()
					b.SetBytes(int64(size))
					b.ReportAllocs()
					tokens := 0
					for b.Loop() {
						tokens += e.Count(text)
					}
					b.ReportMetric(float64(tokens)/b.Elapsed().Seconds()/1e6, "Mtokens/s")
				})
			}
		}
	}
}

// What the tables take at start: time, and bytes that stay.
func BenchmarkLoad(b *testing.B) {
	for name, plain := range map[string]bool{"o200k_base": false, "cl100k_base": true} {
		b.Run(name, func(b *testing.B) {
			ranks, err := assets.Assets.ReadFile(name + ".tiktoken")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := newEncoding(ranks, plain); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
