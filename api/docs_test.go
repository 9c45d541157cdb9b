package api

import (
	"slices"
	"strings"
	"testing"
)

// dataPlane are the document's operations that another package serves.
var dataPlane = []string{"POST /v1/chat/completions", "GET /v1/models"}

func TestDocumentIsValid(t *testing.T) {
	doc := loadDocument(t)
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("version %s", doc.OpenAPI)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

// What is served is documented, and what is documented is served.
func TestDocumentHasTheRoutes(t *testing.T) {
	var served, documented []string
	for _, r := range routes {
		served = append(served, r.method+" "+r.pattern)
	}
	served = append(served, dataPlane...)
	doc := loadDocument(t)
	for _, path := range doc.Paths.InMatchingOrder() {
		for method := range doc.Paths.Find(path).Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(documented)
	for _, operation := range served {
		if !slices.Contains(documented, operation) {
			t.Errorf("%s is not documented", operation)
		}
	}
	for _, operation := range documented {
		if !slices.Contains(served, operation) {
			t.Errorf("%s is not served", operation)
		}
	}
}

// Who may use a route is what the document says.
func TestDocumentSaysWhoMay(t *testing.T) {
	doc := loadDocument(t)
	for _, r := range routes {
		security := doc.Paths.Find(r.pattern).GetOperation(r.method).Security
		if security == nil {
			t.Errorf("%s %s says nothing of credentials", r.method, r.pattern)
			continue
		}
		schemes := ""
		for _, alternative := range *security {
			for name := range alternative {
				schemes += name + " "
			}
		}
		if strings.Contains(schemes, "bearerKey") != (r.access == byTenant) || r.access == byAdmin && schemes != "adminToken " {
			t.Errorf("%s %s: access %d, documented %q", r.method, r.pattern, r.access, schemes)
		}
	}
}

// Whoever asks without a credential gets no further, on any route that needs one.
func TestNoRouteIsOpenByMistake(t *testing.T) {
	h := newHouse(t)
	for _, r := range routes {
		if r.access == open {
			continue
		}
		path := strings.NewReplacer("{slug}", "acme", "{id}", "x").Replace(r.pattern)
		h.call(r.method, path, "{}").is(401, "")
	}
}

func TestOpenAPIAndDocs(t *testing.T) {
	h := newHouse(t)
	a := h.call("GET", "/api/openapi.json", "").is(200, "")
	if !strings.Contains(a.body, `"openapi":"3.1.0"`) || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%.200s %v", a.body, a.header)
	}
	page := h.call("GET", "/api/docs", "").is(200, "")
	for _, r := range routes {
		if !strings.Contains(page.body, r.pattern) {
			t.Errorf("%s is not on the page", r.pattern)
		}
	}
	for _, outside := range []string{"<script", "src=", "http://", "https://", "@import", "url("} {
		if strings.Contains(page.body, outside) {
			t.Errorf("the page has %s", outside)
		}
	}
	if !strings.Contains(page.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("headers %v", page.header)
	}
}
