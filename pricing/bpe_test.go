package pricing

import (
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

// oracle is tiktoken-go, whose counts ours must equal.
var oracle = sync.OnceValue(func() *tiktoken.Tiktoken {
	tiktoken.SetBpeLoader(tiktoken_loader.NewOfflineLoader())
	t, err := tiktoken.GetEncoding("o200k_base")
	if err != nil {
		panic(err)
	}
	return t
})

func mustCountLikeOracle(t interface {
	Helper()
	Fatalf(string, ...any)
}, text string) {
	t.Helper()
	got, want := O200k().Count([]byte(text)), len(oracle().EncodeOrdinary(text))
	if got != want {
		t.Fatalf("%q has %d tokens, tiktoken says %d", text, got, want)
	}
}

func TestCountEqualsTiktoken(t *testing.T) {
	for _, text := range []string{
		"", "a", " ", "\n", "hello world", "Hello, World!", "don't DON'T we'll WE'LL I'd they'Re it'ſ",
		"1 12 123 1234 12345678", "x = a[i]+b[j]; // done\n\n\tif (x) {\r\n  return;\n}", "https://example.com/a/b?c=d",
		"   leading", "trailing   ", "a  b   c    d", "\n\n\n", " \n \n x", "\t\tx", "\u00a0x\u2003y", "!!!\n/\n", "...///",
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
		if _, err := newEncoding([]byte(ranks)); err == nil {
			t.Errorf("ranks %q are accepted", ranks)
		}
	}
}

func FuzzCount(f *testing.F) {
	f.Add([]byte("hello world"))
	f.Add([]byte("\xff\xfe\x80a"))
	f.Fuzz(func(t *testing.T, text []byte) {
		text = text[:min(len(text), 2000)]
		got := O200k().Count(text)
		if got < 0 || got > len(text) || got == 0 && len(text) > 0 {
			t.Fatalf("%q has %d tokens", text, got)
		}
		if utf8.Valid(text) {
			mustCountLikeOracle(t, string(text))
		}
	})
}

func BenchmarkCount(b *testing.B) {
	for name, text := range map[string]string{
		"english": strings.Repeat("The quick brown fox jumps over the lazy dog, and nobody minds. ", 32),
		"code":    strings.Repeat("func (e *Encoding) Count(text []byte) int {\n\treturn e.count(m, text)\n}\n", 28),
		"chinese": strings.Repeat("敏捷的棕色狐狸跳过了懒狗，没有人介意。", 36),
		"letter":  strings.Repeat("a", 2048),
	} {
		b.Run(name, func(b *testing.B) {
			e, raw := O200k(), []byte(text)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				e.Count(raw)
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		classes()
		load(b)
	}
}

func load(b *testing.B) {
	b.Helper()
	ranks, err := assets.Assets.ReadFile("o200k_base.tiktoken")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := newEncoding(ranks); err != nil {
		b.Fatal(err)
	}
}
