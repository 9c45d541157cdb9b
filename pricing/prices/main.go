// Command prices generates ../catalogue.json: the models listed in models.yaml,
// with the facts and prices that models.dev states and the capability that
// LiveBench and Aider measured. Run it by go generate in the folder above.
package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/generic-corp/halfpenny/pricing"
)

//go:embed models.yaml
var listYAML []byte

// list is what models.yaml holds.
type list struct {
	Refusals map[string][]string `yaml:"refusals"`
	Anchor   []anchor            `yaml:"anchor"`
	Models   []listed            `yaml:"models"`
}

// anchor is one model and setting that both benchmarks measured.
type anchor struct {
	LiveBench string `yaml:"livebench"`
	Aider     string `yaml:"aider"`
}

// listed is one model of the list.
type listed struct {
	ID        string   `yaml:"id"`
	Owner     string   `yaml:"owner"`
	Names     []string `yaml:"names"`
	LiveBench string   `yaml:"livebench"`
	Aider     string   `yaml:"aider"`
	Refuses   []string `yaml:"refuses"`
	Tools     bool     `yaml:"tools"`
	JSON      string   `yaml:"json"`
	On        hosts    `yaml:"on"`
}

// hosts are kinds of provider with the model's name there, in the order of the list.
type hosts []struct{ kind, name string }

// UnmarshalYAML keeps the order of the mapping.
func (h *hosts) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: not a mapping", n.Line)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		*h = append(*h, struct{ kind, name string }{n.Content[i].Value, n.Content[i+1].Value})
	}
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("prices", flag.ContinueOnError)
	dev := flags.String("models-dev", "", "models-dev.json")
	live := flags.String("livebench", "", "table of LiveBench scores; its categories lie beside it")
	aider := flags.String("aider", "", "polyglot leaderboard of Aider")
	out := flags.String("out", "catalogue.json", "file to write")
	if err := flags.Parse(args); err != nil {
		return err
	}
	facts, err := readModelsDev(*dev)
	if err != nil {
		return err
	}
	scores, err := readScores(*live, *aider)
	if err != nil {
		return err
	}
	document, err := generate(listYAML, facts, scores)
	if err != nil {
		return err
	}
	return os.WriteFile(*out, document, 0o600)
}

// generate returns the catalogue as JSON, having parsed it as the program will.
func generate(listing []byte, facts *modelsDev, scores *scores) ([]byte, error) {
	var l list
	d := yaml.NewDecoder(bytes.NewReader(listing))
	d.KnownFields(true)
	if err := d.Decode(&l); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cannot read models.yaml: %w", err)
	}
	if err := scores.tie(l.Anchor); err != nil {
		return nil, err
	}
	file := pricing.File{Version: facts.version(), Sources: []string{facts.origin(), scores.live.origin, scores.aider.origin}}
	for _, m := range l.Models {
		f, err := m.model(&l, facts, scores)
		if err != nil {
			return nil, fmt.Errorf("model %s: %w", m.ID, err)
		}
		file.Models = append(file.Models, f)
	}
	document, err := json.MarshalIndent(file, "", " ")
	if err != nil {
		return nil, err
	}
	_, err = pricing.Parse(document)
	return append(document, '\n'), err
}

func (m *listed) model(l *list, facts *modelsDev, scores *scores) (pricing.FileModel, error) {
	f := pricing.FileModel{ID: m.ID, Owner: m.Owner, Names: m.Names}
	for _, set := range m.Refuses {
		if l.Refusals[set] == nil {
			return f, fmt.Errorf("unknown set of refusals %q", set)
		}
		f.Refuses = append(f.Refuses, l.Refusals[set]...)
	}
	for i, on := range m.On {
		entry, err := facts.entry(on.kind, on.name)
		if err != nil {
			return f, err
		}
		if i == 0 {
			m.describe(&f, entry)
		}
		host, err := facts.host(on.kind, on.name, entry)
		if err != nil {
			return f, err
		}
		if entry.Limit.Context < f.Context {
			host.Context = entry.Limit.Context
		}
		if entry.Limit.Output < f.MaxOutput {
			host.MaxOutput = entry.Limit.Output
		}
		f.Hosts = append(f.Hosts, host)
	}
	return f, scores.rate(m, &f)
}

// describe fills in what the model is and can do.
func (m *listed) describe(f *pricing.FileModel, e *entry) {
	f.Released = day(e.Released)
	f.Context, f.MaxInput, f.MaxOutput = e.Limit.Context, e.Limit.Input, e.Limit.Output
	f.Input, f.Output = e.Modalities.Input, e.Modalities.Output
	slices.Sort(f.Input)
	slices.Sort(f.Output)
	f.Tools = e.Tools || m.Tools
	f.Reasoning = e.Reasoning
	// The source says nothing of json_object, which all but Anthropic's models take.
	f.JSONSchema = e.Structured || m.JSON == "schema"
	f.JSONObject = m.JSON != "none" && m.Owner != "anthropic"
	if m.JSON == "object" || m.JSON == "none" {
		f.JSONSchema = false
	}
}
