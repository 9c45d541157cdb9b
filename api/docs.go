package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var openapiYAML []byte

//go:embed docs.html
var docsHTML string

// openapiJSON is the document as JSON. The document is part of the program, so a
// fault in it is one of the program.
var openapiJSON = sync.OnceValue(func() []byte {
	var document map[string]any
	if err := yaml.Unmarshal(openapiYAML, &document); err != nil {
		panic("BUG: openapi.yaml: " + err.Error())
	}
	b, err := json.Marshal(document)
	if err != nil {
		panic("BUG: openapi.yaml: " + err.Error())
	}
	return b
})

func (a *API) openapi(*request) (any, error) {
	return raw{"application/json", openapiJSON()}, nil
}

var docsPage = sync.OnceValue(func() []byte {
	var d document
	if err := json.Unmarshal(openapiJSON(), &d); err != nil {
		panic("BUG: openapi.yaml: " + err.Error())
	}
	var page bytes.Buffer
	if err := template.Must(template.New("docs").Parse(docsHTML)).Execute(&page, d.page()); err != nil {
		panic("BUG: docs.html: " + err.Error())
	}
	return page.Bytes()
})

// docs shows the OpenAPI document as a page that loads nothing else.
func (a *API) docs(r *request) (any, error) {
	h := &r.http.Response.Header
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	return raw{"text/html; charset=utf-8", docsPage()}, nil
}

// document is what the page shows of the OpenAPI document.
type document struct {
	Info struct{ Title, Description string }
	Tags []struct{ Name, Description string }

	Paths      map[string]map[string]operation
	Components struct {
		Schemas   map[string]json.RawMessage
		Responses map[string]response
	}
}

type operation struct {
	Summary, Description string
	Tags                 []string
	Parameters           []parameter
	RequestBody          struct{ Content content }
	Responses            map[string]response
}

type parameter struct {
	Ref         string `json:"$ref"`
	Name, In    string
	Description string
}

type response struct {
	Ref         string `json:"$ref"`
	Description string
	Content     content
}

type content map[string]struct {
	Schema struct {
		Ref string `json:"$ref"`
	}
}

// schema returns the name of the schema of a JSON body, or "".
func (c content) schema() string { return lastSegment(c["application/json"].Schema.Ref) }

func lastSegment(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// page is the document in the order in which it is read.
type page struct {
	Title, Description string
	Sections           []section
	Schemas            []schema
}

type section struct {
	ID, Name, Description string
	Operations            []operationView
}

type operationView struct {
	Method, Path, Summary, Description, Body string
	Parameters                               []parameter
	Responses                                []responseView
}

type responseView struct{ Status, Description, Schema string }

type schema struct{ Name, Source string }

func (d *document) page() page {
	p := page{Title: d.Info.Title, Description: d.Info.Description}
	for _, tag := range d.Tags {
		p.Sections = append(p.Sections, section{strings.ReplaceAll(strings.ToLower(tag.Name), " ", "-"), tag.Name, tag.Description, d.operations(tag.Name)})
	}
	for _, name := range sorted(d.Components.Schemas) {
		var indented bytes.Buffer
		if err := json.Indent(&indented, d.Components.Schemas[name], "", "  "); err != nil {
			panic(fmt.Sprintf("BUG: schema %s: %v", name, err))
		}
		p.Schemas = append(p.Schemas, schema{name, indented.String()})
	}
	return p
}

func (d *document) operations(tag string) (views []operationView) {
	for _, path := range sorted(d.Paths) {
		for _, method := range sorted(d.Paths[path]) {
			o := d.Paths[path][method]
			if !slices.Contains(o.Tags, tag) {
				continue
			}
			views = append(views, operationView{
				Method: strings.ToUpper(method), Path: path, Summary: o.Summary, Description: o.Description, Body: o.RequestBody.Content.schema(),
				Parameters: named(o.Parameters), Responses: d.responses(o.Responses),
			})
		}
	}
	return views
}

// named leaves out what the path already shows.
func named(parameters []parameter) (kept []parameter) {
	for _, p := range parameters {
		if p.Ref == "" {
			kept = append(kept, p)
		}
	}
	return kept
}

func (d *document) responses(responses map[string]response) (views []responseView) {
	for _, status := range sorted(responses) {
		r := responses[status]
		if r.Ref != "" {
			r = d.Components.Responses[lastSegment(r.Ref)]
		}
		views = append(views, responseView{status, r.Description, r.Content.schema()})
	}
	return views
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
