package fakellm

import (
	"net/http"
	"strconv"
)

type errorObject struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

// errorBody is an error in OpenAI's shape; an empty code is chosen by the status.
func errorBody(status int, code, message string) []byte {
	kind, usual := "invalid_request_error", ""
	switch {
	case status == http.StatusUnauthorized:
		usual = "invalid_api_key"
	case status == http.StatusNotFound:
		usual = "model_not_found"
	case status == http.StatusTooManyRequests:
		kind, usual = "requests", "rate_limit_exceeded"
	case status >= http.StatusInternalServerError:
		kind = "server_error"
	}
	if code == "" {
		code = usual
	}
	e := errorObject{Message: message, Type: kind}
	if code != "" {
		e.Code = &code
	}
	return encode(map[string]errorObject{"error": e})
}

func writeError(w http.ResponseWriter, status int, code, message string) {
	writeRaw(w, status, errorBody(status, code, message))
}

func writeFailure(w http.ResponseWriter, s *Script) {
	if s.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(s.RetryAfter))
	}
	writeError(w, s.Status, s.Code, "simulated failure with status "+strconv.Itoa(s.Status))
}

func writeJSON(w http.ResponseWriter, status int, v any) { writeRaw(w, status, encode(v)) }

func writeRaw(w http.ResponseWriter, status int, body []byte) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	if status == 0 {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

type modelEntry struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func modelList(models []string, owner string) any {
	entries := make([]modelEntry, len(models))
	for i, id := range models {
		entries[i] = modelEntry{ID: id, Object: "model", OwnedBy: owner}
	}
	return struct {
		Object string       `json:"object"`
		Data   []modelEntry `json:"data"`
	}{"list", entries}
}
