package sdk

import (
	"context"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/generic-corp/halfpenny/provider"

	programs "github.com/generic-corp/halfpenny/test/internal/bench"
)

// readByTheGateway are the fields that need no word of a provider.
var readByTheGateway = map[string]bool{"model": true, "messages": true, "stream": true, "stream_options": true}

// A field of a request that no provider says anything of would reach only those that
// answer for themselves. So a field that is new in an SDK asks for a decision: into
// Fields, Varies or Refuses of the providers' files.
func (b *bench) knowsEveryField(t *testing.T) {
	t.Helper()
	for sdk, names := range map[string][]string{"npm openai": b.nodeFields(t), "openai-go": b.goFields(t)} {
		if len(names) < 30 {
			t.Errorf("%s: only %d fields were found: %v", sdk, len(names), names)
		}
		for _, name := range names {
			if !readByTheGateway[name] && !provider.KnownField(name) {
				t.Errorf("%s: no provider's file says what becomes of the field %q of a chat request", sdk, name)
			}
		}
	}
}

var (
	paramsPattern = regexp.MustCompile(`(?s)export interface ChatCompletionCreateParamsBase \{\n(.*?)\n\}`)
	memberPattern = regexp.MustCompile(`(?m)^    ([a-zA-Z_]+)\??:`)
)

// nodeFields reads the type declarations of the npm package.
func (b *bench) nodeFields(t *testing.T) (names []string) {
	t.Helper()
	types, err := os.ReadFile(filepath.Join(b.node, "node_modules", "openai", "resources", "chat", "completions", "completions.d.ts"))
	if err != nil {
		t.Fatal(err)
	}
	body := paramsPattern.FindSubmatch(types)
	if body == nil {
		t.Fatal("the npm package has no ChatCompletionCreateParamsBase")
	}
	for _, m := range memberPattern.FindAllSubmatch(body[1], -1) {
		names = append(names, string(m[1]))
	}
	return names
}

// goFields reads the source of the Go module, as the module of the recordings pins it.
func (b *bench) goFields(t *testing.T) (names []string) {
	t.Helper()
	list := exec.Command("go", "list", "-m", "-json", "github.com/openai/openai-go/v3")
	list.Dir = filepath.Join(b.traffic, "sdk", "go")
	list.Env = append(os.Environ(), "GOWORK=off")
	ctx, cancel := context.WithTimeout(t.Context(), programs.StartTime)
	defer cancel()
	out, err := programs.Output(ctx, list)
	if err != nil {
		t.Fatal(err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil || module.Dir == "" {
		t.Fatalf("the source of openai-go is not there: %v: %s", err, out)
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(module.Dir, "chatcompletion.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "ChatCompletionNewParams" {
			return true
		}
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			if f.Tag == nil {
				continue
			}
			name, _, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json"), ",")
			if name != "" && name != "-" {
				names = append(names, name)
			}
		}
		return false
	})
	return names
}
