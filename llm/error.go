package llm

import "time"

// Error is what a caller is told of a failure. The message goes out in the
// caller's dialect; Cause goes to the log only.
type Error struct {
	Status     int    // HTTP status
	Code       string // OpenAI's code, such as "rate_limit_exceeded"
	Type       string // OpenAI's type; empty: derived from Status
	Param      string // the field that is wrong, or empty
	Message    string
	RetryAfter time.Duration // 0: the header is left out
	// ShouldRetry is sent as x-should-retry where it is not nil.
	ShouldRetry *bool
	Upstream    bool // the provider said so: x-halfpenny-error-source: upstream
	Cause       error
}

// Error returns the message and, if there is one, the cause.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Invalid is a 400 that names the field that is wrong.
func Invalid(param, message string) *Error {
	return &Error{Status: 400, Type: "invalid_request_error", Param: param, Message: message}
}

// Unavailable is the 503 of a gateway that cannot do its own part; nothing was forwarded.
func Unavailable(message string, cause error) *Error {
	return &Error{Status: 503, Code: "gateway_unavailable", Message: message, RetryAfter: time.Second, Cause: cause}
}
