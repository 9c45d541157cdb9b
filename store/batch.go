package store

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/generic-corp/halfpenny/llm"
)

// Longest texts of columns, in bytes. A model's name may be a caller's own text;
// what is longer is cut in the columns and whole in the record. The columns of
// the rollup's primary key must fit an index entry of PostgreSQL (2,700 bytes).
const (
	maxName   = 256
	maxTags   = 1024
	maxDetail = 4096
)

// Row is one request as its table has it. Texts are valid UTF-8 without zero bytes.
type Row struct {
	Record *llm.Record
	Seq    int64  // number in the chain
	Hash   []byte // HMAC-SHA-256, keyed by the chain key, of the previous hash and Bytes
	Bytes  []byte // Record.Append

	ID, TenantID, KeyID, Task, Requested, Provider, Model, Tags string

	At            int64 // microseconds since 1970
	Input, Output int64 // tokens
	Cost          llm.NullMoney
	CostStatus    string
	LatencyMs     int64

	attempts [1]AttemptRow
	Attempts []AttemptRow
}

// AttemptRow is one attempt as its table has it.
type AttemptRow struct {
	Attempt         *llm.Attempt
	Provider, Model string
	At              int64 // microseconds since 1970
	Input, Output   int64 // tokens
	LatencyMs       int64
}

// Batch is what one transaction of Append writes.
type Batch struct {
	rows []Row
}

// NewBatch prepares the records of one tenant, each id once. Records must not be
// changed while the batch is in use.
func NewBatch(slug string, records []*llm.Record) (*Batch, error) {
	b := &Batch{rows: make([]Row, 0, len(records))}
	seen := make(map[string]struct{}, len(records))
	bytes := make([]byte, 0, 512*len(records))
	for _, r := range records {
		if r.Slug != slug {
			return nil, fmt.Errorf("record %s of tenant %q in a batch of tenant %q", r.ID, r.Slug, slug)
		}
		if _, twice := seen[r.ID]; twice {
			continue
		}
		seen[r.ID] = struct{}{}
		start := len(bytes)
		bytes = r.Append(bytes) // rows before keep the array that was outgrown
		b.rows = append(b.rows, Row{Record: r, Bytes: bytes[start:len(bytes):len(bytes)]})
		b.rows[len(b.rows)-1].fill()
	}
	return b, nil
}

func (w *Row) fill() {
	r := w.Record
	w.ID, w.TenantID, w.KeyID = text(r.ID, maxName), text(r.TenantID, maxName), text(r.KeyID, maxName)
	w.Task, w.Requested, w.Tags = text(r.Task, maxName), text(r.Requested, maxName), text(r.Tags, maxTags)
	w.Provider, w.Model = text(r.Provider, maxName), text(r.Model, maxName)
	w.At, w.LatencyMs = r.At.UnixMicro(), millis(r.Total)
	w.Cost, w.CostStatus = r.Cost(), r.CostStatus().String()
	w.Attempts = w.attempts[:0] // mostly there is one
	for i := range r.Attempts {
		a := &r.Attempts[i]
		w.Attempts = append(w.Attempts, AttemptRow{
			Attempt: a, Provider: text(a.Provider, maxName), Model: text(a.Model, maxName), At: a.At.UnixMicro(),
			Input: a.Usage.InputTokens(), Output: a.Usage.OutputTokens(), LatencyMs: millis(a.Latency),
		})
		w.Input, w.Output = add(w.Input, a.Usage.InputTokens()), add(w.Output, a.Usage.OutputTokens())
	}
}

// millis rounds once, so that a sum of rows is the sum of what rows say.
func millis(d time.Duration) int64 { return int64((d + time.Millisecond/2) / time.Millisecond) }

// text returns s as a column takes it: PostgreSQL refuses zero bytes and broken
// UTF-8, and a refused row would hold up all that come after it.
func text(s string, limit int) string {
	if len(s) <= limit && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// Rows returns the rows, in the order of the records.
func (b *Batch) Rows() []Row { return b.rows }

// IDs returns the ids of the rows.
func (b *Batch) IDs() []string {
	ids := make([]string, len(b.rows))
	for i := range b.rows {
		ids[i] = b.rows[i].ID
	}
	return ids
}

// Drop leaves out the rows that the table has already.
func (b *Batch) Drop(ids []string) {
	if len(ids) == 0 {
		return
	}
	known := make(map[string]struct{}, len(ids))
	for _, id := range ids {
		known[id] = struct{}{}
	}
	fresh := make([]Row, 0, len(b.rows)-min(len(ids), len(b.rows)))
	for i := range b.rows {
		if _, there := known[b.rows[i].ID]; !there {
			fresh = append(fresh, b.rows[i])
		}
	}
	b.rows = fresh
}

// Head is the last link of a tenant's chain. Before the first row Seq is 0 and
// Hash is empty.
type Head struct {
	Seq  int64
	Hash []byte
}

// Chain numbers the rows after head and links each to the one before. It returns
// the new head. It may be called again with another head.
func (b *Batch) Chain(head Head, key []byte) Head {
	mac := hmac.New(sha256.New, key)
	sums := make([]byte, 0, len(b.rows)*sha256.Size)
	for i := range b.rows {
		w := &b.rows[i]
		mac.Reset()
		mac.Write(head.Hash)
		mac.Write(w.Bytes)
		start := len(sums)
		sums = mac.Sum(sums)
		head = Head{head.Seq + 1, sums[start:len(sums):len(sums)]}
		w.Seq, w.Hash = head.Seq, head.Hash
	}
	return head
}

// Stored returns the rows as the ledger has them. The records are shared, not copied deeply.
func (b *Batch) Stored() []llm.Stored {
	all := make([]llm.Stored, len(b.rows))
	for i := range b.rows {
		all[i] = llm.Stored{Record: *b.rows[i].Record, Seq: b.rows[i].Seq, Hash: b.rows[i].Hash}
	}
	return all
}

// Verify recomputes one link of the chain.
func Verify(key, previous, record, hash []byte) bool {
	mac := hmac.New(sha256.New, key)
	mac.Write(previous)
	mac.Write(record)
	return hmac.Equal(mac.Sum(nil), hash)
}
