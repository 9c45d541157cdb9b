package provider

import "github.com/generic-corp/halfpenny/llm"

// Reading is what a meter has read so far.
type Reading struct {
	Usage    llm.Usage
	Reported bool          // the provider reported its usage
	Model    string        // the model that the reply names
	Tier     string        // the service tier that the reply names
	Cost     llm.NullMoney // the provider's own figure, where it reports one
	Finished bool          // a finish reason has come for the answer
	Done     bool          // the stream's own end mark has come
	Failed   bool          // the stream carries an error event
	Visible  bool          // output has come that a caller can see
}

// Meter reads the usage of one call out of its reply's passing bytes. It keeps no
// reference to what it is shown.
type Meter interface {
	// Reply reads a whole reply. Its error says that it is no reply at all; nothing is read then.
	Reply(body []byte) error
	// Event reads the data of one event of a stream.
	Event(data []byte)
	// Reading returns what was read; usage is complete only at the end.
	Reading() *Reading
	// Output is the output that passed, in tokens as counted by the gateway. It is
	// for the call whose provider reports none, or whose report did not come.
	Output() int64
}

// NewMeter returns the meter of an endpoint in a dialect, or nil if there is none.
// count returns the tokens of a text and keeps no reference to it.
func NewMeter(e llm.Endpoint, d llm.Dialect, count func(text []byte) int64) Meter {
	if e == llm.EndpointChat && d == llm.DialectOpenAI {
		return &openaiMeter{count: count}
	}
	return nil
}
