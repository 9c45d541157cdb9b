// Command prices generates ../catalogue.json from four sources: the prices and
// names of genai-prices, the facts of models.dev and the prices that it alone
// states, the capability that LiveBench and Aider measured, and models.yaml, which
// says what is the same model. It also writes down where the two price lists
// differ. Run it by go generate in the folder above.
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

	"go.yaml.in/yaml/v3"

	"github.com/generic-corp/halfpenny/pricing"
)

//go:embed models.yaml
var listYAML []byte

// list is what models.yaml holds.
type list struct {
	Refusals map[string][]string `yaml:"refusals"`
	Anchor   []anchor            `yaml:"anchor"`
	Tiers    []tier              `yaml:"tiers"`
	Apart    map[string][]string `yaml:"apart"`
	Models   []listed            `yaml:"models"`
}

// tier is a service tier that a provider prices as a share of its default one.
type tier struct {
	Kind   string   `yaml:"kind"`
	Tier   string   `yaml:"tier"`
	Share  int64    `yaml:"percent"`
	Source string   `yaml:"source"`
	Models []string `yaml:"models"` // names there; empty: all in models.yaml
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
	prices := flags.String("genai", "", "price list of genai-prices, as dump.mjs writes it")
	dev := flags.String("models-dev", "", "models-dev.json")
	live := flags.String("livebench", "", "table of LiveBench scores; its categories lie beside it")
	aider := flags.String("aider", "", "polyglot leaderboard of Aider")
	out := flags.String("out", "catalogue.json", "file to write")
	differences := flags.String("differences", "../docs/price-differences.md", "file to write the differences of prices to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	lists, err := readLists(*prices)
	if err != nil {
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
	made, err := generate(listYAML, lists, facts, scores)
	if err != nil {
		return err
	}
	if err := os.WriteFile(*out, made.document, 0o600); err != nil {
		return err
	}
	return os.WriteFile(*differences, made.differences, 0o600)
}

// output is what the generator makes.
type output struct{ document, differences []byte }

// generate returns the catalogue as JSON, having parsed it as the program will,
// and the differences between the price lists.
func generate(listing []byte, lists *priceLists, facts *modelsDev, scores *scores) (output, error) {
	b := &builder{lists: lists, facts: facts, scores: scores}
	d := yaml.NewDecoder(bytes.NewReader(listing))
	d.KnownFields(true)
	if err := d.Decode(&b.list); err != nil && !errors.Is(err, io.EOF) {
		return output{}, fmt.Errorf("cannot read models.yaml: %w", err)
	}
	if err := scores.tie(b.list.Anchor); err != nil {
		return output{}, err
	}
	if err := b.build(); err != nil {
		return output{}, err
	}
	differences, err := b.differences()
	if err != nil {
		return output{}, err
	}
	file := pricing.File{
		Version: lists.version() + ", " + facts.version(), List: lists.version(), Dated: lists.date,
		Sources: []string{lists.origin(), facts.origin(), scores.live.origin, scores.aider.origin},
		Lists:   b.rules, Models: b.models(),
	}
	document, err := encode(&file)
	if err != nil {
		return output{}, err
	}
	_, err = pricing.Parse(document)
	return output{document, differences}, err
}

// encode writes a line for each model and each rule: it is read by people in diffs
// and by the program at every start.
func encode(file *pricing.File) ([]byte, error) {
	var out bytes.Buffer
	line := func(before string, v any) error {
		raw, err := json.Marshal(v)
		out.WriteString(before)
		out.Write(raw)
		return err
	}
	err := errors.Join(line("{\"version\":", file.Version), line(",\n\"list\":", file.List), line(",\n\"dated\":", file.Dated), line(",\n\"sources\":", file.Sources))
	out.WriteString(",\n\"lists\":[")
	for i, l := range file.Lists {
		err = errors.Join(err, line(comma(i)+"{\"kind\":", l.Kind))
		if len(l.Fallback) > 0 {
			err = errors.Join(err, line(",\"fallback\":", l.Fallback))
		}
		out.WriteString(",\"rules\":[")
		for i, r := range l.Rules {
			err = errors.Join(err, line(comma(i), r))
		}
		out.WriteString("]}")
	}
	out.WriteString("],\n\"models\":[")
	for i, m := range file.Models {
		err = errors.Join(err, line(comma(i), m))
	}
	out.WriteString("]}\n")
	return out.Bytes(), err
}

func comma(i int) string {
	if i == 0 {
		return "\n"
	}
	return ",\n"
}
