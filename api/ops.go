package api

import (
	"github.com/generic-corp/halfpenny/llm"
)

// health says that the process runs, nothing more.
func (a *API) health(*request) (any, error) { return map[string]string{"status": "ok"}, nil }

type readyJSON struct {
	Status  string   `json:"status"` // ok, degraded, unavailable
	Reasons []string `json:"reasons"`
}

// ready says whether the gateway can serve.
func (a *API) ready(*request) (any, error) {
	j, ok := a.readiness()
	if !ok {
		return reply{503, j}, nil
	}
	return j, nil
}

func (a *API) readiness() (j readyJSON, ok bool) {
	ok, reasons := a.Ready()
	j = readyJSON{Status: "ok", Reasons: append([]string{}, reasons...)}
	switch {
	case !ok:
		j.Status = "unavailable"
	case len(reasons) > 0:
		j.Status = "degraded"
	}
	return j, ok
}

// healthDetail tells everybody the status, and the operator the rest.
func (a *API) healthDetail(r *request) (any, error) {
	j, _ := a.readiness()
	answer := map[string]any{"status": j.Status}
	if a.checkOperator(r.http) == nil {
		answer["reasons"], answer["version"], answer["detail"] = j.Reasons, a.Version, a.detail()
	}
	return answer, nil
}

func (a *API) detail() map[string]any {
	if a.Detail == nil {
		return map[string]any{}
	}
	return a.Detail()
}

// metrics are the operator's: labels name tenants.
func (a *API) metrics(r *request) (any, error) {
	if a.Metrics == nil {
		return nil, &llm.Error{Status: 404, Code: "not_found", Message: "The metrics are served at server.metrics_listen."}
	}
	if err := a.checkOperator(r.http); err != nil {
		return nil, err
	}
	a.Metrics(r.http)
	return handled{}, nil
}
