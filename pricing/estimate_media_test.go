package pricing

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
)

// picture is an image of a size in base64.
func picture(t *testing.T, format string, w, h int) string {
	t.Helper()
	m := image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{color.Black, color.White})
	var b bytes.Buffer
	var err error
	switch format {
	case "png":
		err = png.Encode(&b, m)
	case "jpeg":
		err = jpeg.Encode(&b, m, nil)
	case "gif":
		err = gif.Encode(&b, m, nil)
	case "webp":
		b.WriteString("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00")
		b.Write([]byte{byte(w - 1), byte((w - 1) >> 8), 0, byte(h - 1), byte((h - 1) >> 8), 0})
	}
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(append(b.Bytes(), make([]byte, 64)...))
}

// TestImagesCostWhatTheProvidersSay: the examples of the providers' pages.
func TestImagesCostWhatTheProvidersSay(t *testing.T) {
	f := func(model string, w, h, want int64) {
		t.Helper()
		var e Estimate
		e.Images.add(w, h)
		p := ProfileOf(model, "")
		if got := e.For(p) - (&Estimate{}).For(p); got != want {
			t.Errorf("%s counts %d × %d as %d tokens, want %d", model, w, h, got, want)
		}
	}
	f("gpt-4o", 1024, 1024, 765)
	f("gpt-4o", 2048, 4096, 1105)
	f("gpt-4o", 100, 100, 255)
	f("gpt-4o-mini", 1, 1, 8500)
	f("gpt-5", 50, 50, 210)
	f("gpt-5-nano", 128, 128, 24)
	f("o4-mini", 1024, 1024, 1761)
	f("claude-sonnet-4-5", 200, 200, 54)
	f("claude-sonnet-4-5", 1000, 1000, 1334)
	f("claude-sonnet-4-5", 4000, 4000, 1600)
	f("claude-sonnet-4-5", 8000, 100, 41) // 1568 × 20
	f("claude-opus-4-7", 1920, 1080, 2765)
	f("claude-opus-4-7", 4000, 4000, 4784)
	f("gemini-2.5-flash", 384, 384, 258)
	f("gemini-2.5-flash", 1000, 700, 516)
	f("gemini-3-pro", 4000, 3000, 1100)
}

func TestImageSizesAreReadFromTheFirstBytes(t *testing.T) {
	for _, format := range []string{"png", "jpeg", "gif", "webp"} {
		data := picture(t, format, 600, 400)
		for _, part := range []string{
			`{"type":"image_url","image_url":{"url":"data:image/` + format + `;base64,` + data + `"}}`,
			`{"type":"input_image","image_url":"data:image/` + format + `;base64,` + data + `"}`,
			`{"type":"image","source":{"type":"base64","media_type":"image/` + format + `","data":"` + data + `"}}`,
			`{"inline_data":{"data":"` + strings.ReplaceAll(data, "/", `\/`) + `","mime_type":"image/` + format + `"}}`,
			`{"image":{"format":"` + format + `","source":{"bytes":"` + data + `"}}}`,
		} {
			var want Images
			want.add(600, 400)
			got := NewEstimator().Estimate(Prompt{Messages: []byte(`[{"role":"user","content":[` + part + `]}]`)})
			if got.Images != want || got.Text != 0 || got.Unseen {
				t.Errorf("%.70s… is %+v", part, got)
			}
		}
	}
}

func TestBrokenImagesHaveNoSize(t *testing.T) {
	for _, head := range []string{"", "\xff\xd8", "\xff\xd8\xff\xe0\x00", "\xff\xd8\xff\xe0\xff\xff", "GIF8", "\x89PNG\r\n\x1a\n0000IHDR\xff\xff\xff\xff\xff\xff\xff\xff",
		"\x89PNG\r\n\x1a\n0000IHDR\x00\x00\x00\x00\x00\x00\x00\x00", "RIFF0000WEBPVP8?" + strings.Repeat("0", 20)} {
		if w, h, ok := imageSize([]byte(head)); ok {
			t.Errorf("%q has %d × %d pixels", head, w, h)
		}
	}
}

func TestMediaAreCounted(t *testing.T) {
	wav := make([]byte, 44+64_000)
	copy(wav, "RIFF\x00\x00\x00\x00WAVEfmt ")
	binary.LittleEndian.PutUint32(wav[28:], 32_000) // bytes a second
	pdf := append([]byte("%PDF-1.4 1 0 obj <</Linearized 1/L 9/H [ 1 2 ]/O 5/E 4/N 12/T 9>>"), make([]byte, 9000)...)
	f := func(part string, want Estimate) {
		t.Helper()
		got := NewEstimator().Estimate(Prompt{Messages: []byte(`[{"role":"user","content":[` + part + `]}]`)})
		want.Messages = 1
		if got.Images.last = want.Images.last; got != want {
			t.Errorf("%.70s… is %+v, want %+v", part, got, want)
		}
	}
	var square Images
	square.add(1024, 1024)
	square.last.patches, square.last.squares = 0, 0
	low := Images{Count: 1, Patches: 256, Area: 1399, Fine: 1399, Tiles: 4}
	b64 := base64.StdEncoding.EncodeToString
	f(`{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}`, Estimate{Images: square, Unseen: true})
	f(`{"type":"image_url","image_url":{"url":"https://example.com/a.png","detail":"low"}}`, Estimate{Images: low, Unseen: true})
	f(`{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}`, Estimate{Images: square, Unseen: true})
	f(`{"fileData":{"mimeType":"application/pdf","fileUri":"https://example.com/a.pdf"}}`, Estimate{Pages: 1, Unseen: true})
	f(`{"type":"input_file","file_id":"file_1"}`, Estimate{Unseen: true})
	f(`{"type":"input_audio","input_audio":{"format":"wav","data":"`+b64(wav)+`"}}`, Estimate{Audio: 2001})
	f(`{"inline_data":{"data":"`+b64(append([]byte("ID3\x04"), make([]byte, 31_997)...))+`","mime_type":"audio/mp3"}}`, Estimate{Audio: 2000})
	f(`{"inlineData":{"mimeType":"video/mp4","data":"`+b64(append([]byte("\x00\x00\x00\x18ftypmp42"), make([]byte, 249_990)...))+`"}}`, Estimate{Video: 2000})
	f(`{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,`+b64(pdf)+`"}}`, Estimate{Pages: 12})
	f(`{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"`+b64(make([]byte, 200_000))+`"}}`, Estimate{Pages: 4})
	f(`{"type":"document","source":{"type":"text","media_type":"text/plain","data":"hello world"}}`, Estimate{Text: 2})
	f(`{"type":"document","source":{"type":"base64","media_type":"text/plain","data":"`+b64(bytes.Repeat([]byte("hello "), 100))+`"},"citations":{"enabled":true}}`, Estimate{Text: 150, Cited: true})
	f(`{"type":"redacted_thinking","data":"`+strings.Repeat("abcd", 25)+`"}`, Estimate{Sealed: 100})
	f(`{"type":"thinking","thinking":"What is this?","signature":"abcd"}`, Estimate{Sealed: 4})
}

func ExampleProfileOf() {
	for _, name := range [][2]string{{"gpt-5-mini", "openai"}, {"us.anthropic.claude-haiku-4-5-v1:0", ""}, {"models/gemini-2.5-flash", ""}, {"o3", "openai"}, {"house-model", ""}} {
		fmt.Println(ProfileOf(name[0], name[1]).Name)
	}
	// Output:
	// gpt-5-mini
	// claude
	// gemini
	// openai
	// other
}
