package pricing

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
)

// Images is what the images of a prompt amount to, in the units of the rules by
// which the families count them. An image of unknown size counts as 1024 × 1024.
type Images struct {
	Count   int64
	Squares int64 // of 512 pixels, scaled to 768 on the short side; none at low detail (OpenAI's tiles)
	Patches int64 // of 32 pixels, at most 1,536 an image (OpenAI's patches)
	Area    int64 // w·h/750, scaled to 1,568 pixels and at most 1,600 an image (Claude)
	Fine    int64 // the same with 2,576 pixels and 4,784 (Claude from Opus 4.7 on)
	Tiles   int64 // of 768 pixels; one up to 384 × 384 (Gemini)
	last    struct{ squares, patches int64 }
}

// add counts an image.
//
//   - developers.openai.com/api/docs/guides/images-vision#calculating-costs
//   - platform.claude.com/docs/en/build-with-claude/vision#calculate-image-costs
//   - ai.google.dev/gemini-api/docs/image-understanding#token-calculation
func (m *Images) add(width, height int64) {
	w, h := float64(width), float64(height)
	m.Count++
	m.last.squares = squares(w, h)
	m.Squares += m.last.squares
	m.last.patches = min(1536, cells(w, h, 32))
	m.Patches += m.last.patches
	m.Area += area(w, h, 1568, 1600)
	m.Fine += area(w, h, 2576, 4784)
	if width <= 384 && height <= 384 {
		m.Tiles++
	} else {
		m.Tiles += min(cells(w, h, 768), 16)
	}
}

// area is w·h/750 once an image fits into a square of a side, up to a limit.
func area(w, h, side, limit float64) int64 {
	scale := min(1, side/w, side/h)
	return int64(math.Ceil(min(limit, w*scale*h*scale/750)))
}

// low says that the image at hand is read at low detail.
func (m *Images) low() {
	m.Squares -= m.last.squares
	m.Patches -= max(0, m.last.patches-256)
	m.last.squares, m.last.patches = 0, 0
}

// squares is the number of tiles of 512 pixels once an image fits into 2048 × 2048
// and its short side into 768.
func squares(w, h float64) int64 {
	scale := min(1, 2048/max(w, h))
	scale *= min(1, 768/(min(w, h)*scale))
	return cells(w*scale, h*scale, 512)
}

// cells is the number of squares of a side that cover w × h.
func cells(w, h, side float64) int64 {
	return int64(math.Ceil(w/side-1e-9)) * int64(math.Ceil(h/side-1e-9))
}

// media is a kind of content in a part of a message.
type media uint8

const (
	mediaNone media = iota
	mediaText
	mediaImage
	mediaDocument
	mediaAudio
	mediaVideo
	mediaSealed // what only the provider can read
)

// mediaOf returns what a type or a media type says, or mediaNone.
func mediaOf(word []byte) media {
	switch string(word) {
	case "input_image", "png", "jpeg", "jpg", "gif", "webp":
		return mediaImage
	case "file", "input_file", "document", "application/pdf", "pdf":
		return mediaDocument
	case "input_audio", "audio", "wav", "mp3", "flac", "opus", "pcm16", "audio_url":
		return mediaAudio
	case "video", "video_url", "mp4":
		return mediaVideo
	case "text", "input_text", "output_text":
		return mediaText
	case "redacted_thinking":
		return mediaSealed
	}
	for m, prefix := range [...]string{mediaText: "text/", mediaImage: "image", mediaAudio: "audio/", mediaVideo: "video/"} {
		if prefix != "" && bytes.HasPrefix(word, []byte(prefix)) {
			return media(m)
		}
	}
	return mediaNone
}

const (
	// Compressed sound has about 16,000 bytes a second, a film 125,000.
	audioBytesPerSecond = 16_000
	videoBytesPerSecond = 125_000
	// A page of a PDF whose pages cannot be counted is about this large.
	pageBytes = 64 << 10
)

// blob takes a string that holds media, in base64 or by its address, or is text after all.
func (s *scratch) blob(text, name, object []byte) {
	m := s.media
	if data, ok := bytes.CutPrefix(text, []byte("data:")); ok {
		kind, payload, _ := bytes.Cut(data, []byte{','})
		if is := mediaOf(kind); is != mediaNone {
			m = is
		}
		s.data(payload, m)
		return
	}
	if string(name) == "data" || string(name) == "file_data" || string(name) == "bytes" {
		s.data(text, m)
		return
	}
	if string(name) == "url" {
		switch string(object) {
		case "image_url", "source", "file_url", "video_url", "audio_url", "document_url":
		default:
			s.text(text) // such as a page that was found
			return
		}
	}
	s.remote(m, name, object)
}

// remote takes media that the request names by its address only.
func (s *scratch) remote(m media, name, object []byte) {
	s.found.Unseen = true
	switch {
	case m == mediaDocument, string(name) == "file_url", string(object) == "file_url", string(object) == "document_url":
		s.found.Pages++
	case m == mediaAudio, m == mediaVideo: // of any length
	default:
		s.found.Images.add(1024, 1024)
	}
}

// data takes media in base64: what its first bytes say that it is, else m. A
// document's plain text is text.
func (s *scratch) data(payload []byte, m media) {
	size := int64(len(payload)) / 4 * 3
	var head [headBytes]byte
	encoded := payload[:min(len(payload), headBytes/3*4)]
	encoded = s.unescaped(encoded) // some encoders write \/ for /
	n, _ := base64.StdEncoding.Decode(head[:], encoded[:len(encoded)&^3])
	start := head[:n]
	if len(start) >= 8 && string(start[4:8]) == "ftyp" && m != mediaAudio { // MP4 and its kin
		m = mediaVideo
	}
	switch {
	case bytes.HasPrefix(start, []byte("%PDF")):
		s.found.Pages += pages(start, size)
	case bytes.HasPrefix(start, []byte("RIFF")) && len(start) >= 44 && string(start[8:12]) == "WAVE":
		rate := int64(binary.LittleEndian.Uint32(start[28:]))
		s.found.Audio += 1000 * size / max(rate, 1000)
	case m == mediaSealed:
		s.found.Sealed += int64(len(payload))
	case m == mediaAudio, sounds(start):
		s.found.Audio += 1000 * size / audioBytesPerSecond
	case m == mediaVideo:
		s.found.Video += 1000 * size / videoBytesPerSecond
	default:
		if w, h, ok := imageSize(start); ok {
			s.found.Images.add(w, h)
			return
		}
		s.unsized(payload, m, size)
	}
}

// unsized takes data that says nothing of itself.
func (s *scratch) unsized(payload []byte, m media, size int64) {
	switch m {
	case mediaImage:
		s.found.Images.add(1024, 1024)
	case mediaDocument:
		s.found.Pages += 1 + size/pageBytes
	default:
		if len(payload) >= 64 && base64Like(payload) {
			s.found.Text += size / 4 // a document in plain text
			return
		}
		s.text(payload)
	}
}

// sounds reports whether a file starts as MP3, Ogg or FLAC do.
func sounds(head []byte) bool {
	return bytes.HasPrefix(head, []byte("ID3")) || bytes.HasPrefix(head, []byte("OggS")) || bytes.HasPrefix(head, []byte("fLaC"))
}

// base64Like reports whether text starts as base64 does, without a blank.
func base64Like(text []byte) bool {
	for _, c := range text[:min(len(text), 64)] {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '+', c == '/', c == '\\', c == '=', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// headBytes is how much of a file is looked at. Cameras put up to some KB before
// the size of a JPEG.
const headBytes = 3 << 10

// pages is the number of pages of a PDF of a size in bytes: what a linearized one
// says at its start, or by its size.
func pages(head []byte, size int64) int64 {
	_, linear, ok := bytes.Cut(head, []byte("/Linearized"))
	if _, count, has := bytes.Cut(linear, []byte("/N ")); ok && has {
		if n := decimal(count); n > 0 {
			return min(n, 1+size/256)
		}
	}
	return 1 + size/pageBytes
}

// decimal reads the number that s starts with, at most six digits of it.
func decimal(s []byte) (n int64) {
	for _, c := range s[:min(len(s), 6)] {
		if c < '0' || c > '9' {
			break
		}
		n = 10*n + int64(c-'0')
	}
	return n
}

// imageSize reads width and height in pixels from the first bytes of a PNG, GIF,
// WebP or JPEG.
func imageSize(head []byte) (width, height int64, ok bool) {
	switch {
	case len(head) >= 24 && bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")):
		width, height = int64(binary.BigEndian.Uint32(head[16:])), int64(binary.BigEndian.Uint32(head[20:]))
	case len(head) >= 10 && bytes.HasPrefix(head, []byte("GIF8")):
		width, height = int64(binary.LittleEndian.Uint16(head[6:])), int64(binary.LittleEndian.Uint16(head[8:]))
	case len(head) >= 30 && bytes.HasPrefix(head, []byte("RIFF")) && string(head[8:12]) == "WEBP":
		width, height = webpSize(head)
	case bytes.HasPrefix(head, []byte{0xFF, 0xD8}):
		width, height = jpegSize(head)
	}
	const most = 1 << 16 // more is a broken header
	return width, height, width > 0 && height > 0 && width <= most && height <= most
}

// webpSize reads the three forms of WebP. developers.google.com/speed/webp/docs/riff_container
func webpSize(head []byte) (width, height int64) {
	switch string(head[12:16]) {
	case "VP8 ":
		return int64(binary.LittleEndian.Uint16(head[26:]) & 0x3FFF), int64(binary.LittleEndian.Uint16(head[28:]) & 0x3FFF)
	case "VP8L":
		bits := binary.LittleEndian.Uint32(head[21:])
		return int64(bits&0x3FFF) + 1, int64(bits>>14&0x3FFF) + 1
	case "VP8X":
		return int64(head[24]) | int64(head[25])<<8 | int64(head[26])<<16 + 1, int64(head[27]) | int64(head[28])<<8 | int64(head[29])<<16 + 1
	}
	return 0, 0
}

// jpegSize finds the frame header among the segments.
func jpegSize(head []byte) (width, height int64) {
	for i := 2; i+9 <= len(head) && head[i] == 0xFF; {
		marker := head[i+1]
		if marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC {
			return int64(binary.BigEndian.Uint16(head[i+7:])), int64(binary.BigEndian.Uint16(head[i+5:]))
		}
		i += 2 + int(binary.BigEndian.Uint16(head[i+2:]))
	}
	return 0, 0
}
