package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Parameters are what training finds. A Model shares their memory.
type Parameters struct {
	Grams     []int8         // Buckets rows of Width, in units of Scale
	Scale     [Width]float32 // of Grams
	Bias      [Width]float32
	Stats     [Stats][Width]float32
	Mean      [Stats]float32
	Deviation [Stats]float32
	Known     []byte           // KnownBits bits
	Cover     [2]float32       // shares of known pairs at which coverage is 0 and 1
	Line      [2]float32       // a model's prior by its mean ability: intercept and slope
	Slope     [Rank][2]float32 // v by the prior: intercept and slope
	Levels    [2]float32       // the lowest and the highest prior of models with outcomes
	Subjects  []Trained
}

// Trained is a model with outcomes.
type Trained struct {
	Name  string // as Name spells it
	Prior float32
	V     [Rank]float32
}

// The artefact: a head of magic, version and SHA-256 of what follows, all numbers
// little-endian.
const (
	magic    = "HPRM"
	version  = 1
	headSize = len(magic) + 4 + sha256.Size

	maxName     = 200
	maxSubjects = 10_000
)

// New returns the model that has the parameters.
func New(p *Parameters) *Model {
	m := &Model{p: p, subjects: make(map[string]Subject, len(p.Subjects))}
	for _, t := range p.Subjects {
		m.subjects[t.Name] = Subject{prior: t.Prior, v: t.V}
	}
	return m
}

// Append appends the artefact.
func (p *Parameters) Append(dst []byte) []byte {
	var body bytes.Buffer
	write := func(v any) {
		if err := binary.Write(&body, binary.LittleEndian, v); err != nil {
			panic("BUG: " + err.Error())
		}
	}
	for _, v := range p.fixed() {
		write(v)
	}
	write(uint32(len(p.Subjects)))
	for i := range p.Subjects {
		t := &p.Subjects[i]
		write(uint8(len(t.Name)))
		write([]byte(t.Name))
		write(t.Prior)
		write(t.V)
	}
	sum := sha256.Sum256(body.Bytes())
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint32(dst, version)
	dst = append(dst, sum[:]...)
	return append(dst, body.Bytes()...)
}

// fixed are the parts of a size that does not change, in their order.
func (p *Parameters) fixed() []any {
	return []any{p.Grams, p.Known, &p.Scale, &p.Bias, &p.Stats, &p.Mean, &p.Deviation, &p.Cover, &p.Line, &p.Slope, &p.Levels}
}

// Errors of Parse.
var (
	errFormat   = errors.New("not a difficulty model")
	errChecksum = errors.New("the checksum of the difficulty model is wrong")
)

// Parse reads an artefact as Append writes it.
func Parse(artefact []byte) (*Model, error) {
	if len(artefact) < headSize || string(artefact[:len(magic)]) != magic {
		return nil, errFormat
	}
	if v := binary.LittleEndian.Uint32(artefact[len(magic):]); v != version {
		return nil, fmt.Errorf("difficulty model of version %d, want %d", v, version)
	}
	body := artefact[headSize:]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], artefact[headSize-sha256.Size:headSize]) {
		return nil, errChecksum
	}
	p := &Parameters{Grams: make([]int8, Buckets*Width), Known: make([]byte, KnownBits/8)}
	r := bytes.NewReader(body)
	for _, v := range p.fixed() {
		if err := binary.Read(r, binary.LittleEndian, v); err != nil {
			return nil, errFormat
		}
	}
	if err := p.readSubjects(r); err != nil {
		return nil, err
	}
	return New(p), nil
}

func (p *Parameters) readSubjects(r *bytes.Reader) error {
	var count uint32
	if err := binary.Read(r, binary.LittleEndian, &count); err != nil || count > maxSubjects {
		return errFormat
	}
	for range count {
		var t Trained
		size, err := r.ReadByte()
		if err != nil || size == 0 || size > maxName {
			return errFormat
		}
		name := make([]byte, size)
		for _, v := range []any{name, &t.Prior, &t.V} {
			if err := binary.Read(r, binary.LittleEndian, v); err != nil {
				return errFormat
			}
		}
		t.Name = string(name)
		p.Subjects = append(p.Subjects, t)
	}
	if r.Len() > 0 {
		return errFormat
	}
	return nil
}

// Features are what training reads of a prompt: the buckets of its words and pairs,
// hashes of the pairs, and its statistics. They are valid until t is read again.
func (t *Task) Features() (grams []uint16, pairs []uint32, statistics []float32) {
	return t.reading.grams, t.reading.pairs, t.reading.stats[:]
}

// Read fills t with the features alone.
func (t *Task) Read(prompt []byte) { t.reading.read(prompt) }
