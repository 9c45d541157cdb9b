package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

const (
	envPrefix   = "HALFPENNY_"
	defaultFile = "halfpenny.yaml"
)

// Flags are what the command line says.
type Flags struct {
	File  string            // --config; empty: $HALFPENNY_CONFIG, else ./halfpenny.yaml if it exists
	Demo  bool              // --demo
	Serve bool              // the gateway is to start: every provider must be usable
	Set   map[string]string // settings by key, such as "server.listen"; they beat environment and file
}

// Load reads the configuration and checks it. Its error is one message that
// names what is wrong, and never contains a secret.
func Load(f Flags) (*Config, error) {
	file, err := f.path()
	if err != nil {
		return nil, err
	}
	return load(f, file)
}

func load(f Flags, file string) (*Config, error) {
	c, err := read(f, file)
	if err == nil {
		err = c.complete()
	}
	switch {
	case err == nil:
		return c, nil
	case file != "":
		return nil, fmt.Errorf("configuration %s: %w", file, err)
	}
	return nil, fmt.Errorf("configuration: %w", err)
}

// path is the absolute path of the file to read, or empty.
func (f *Flags) path() (string, error) {
	path := f.File
	if path == "" {
		path = os.Getenv(envPrefix + "CONFIG")
	}
	if path == "" {
		if _, err := os.Stat(defaultFile); errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		path = defaultFile
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("cannot find the configuration %s: %w", path, err)
	}
	return absolute, nil
}

// read brings defaults, file, environment and flags together.
func read(f Flags, file string) (*Config, error) {
	c := defaults()
	tree, err := c.readFile(file)
	if err != nil {
		return nil, err
	}
	if err := checkShape("", tree, reflect.TypeFor[Config]()); err != nil {
		return nil, err
	}
	if err := checkEnvironment(os.Environ()); err != nil {
		return nil, err
	}
	aliases, err := takeAliases(tree)
	if err != nil {
		return nil, err
	}
	withoutNulls(tree)
	_, listed := tree["providers"]
	v := viper.New()
	for key, value := range settings(reflect.ValueOf(c).Elem()) {
		v.SetDefault(key, value)
		_ = v.BindEnv(key, envName(key))
	}
	if err := v.MergeConfigMap(tree); err != nil {
		return nil, err
	}
	for key, value := range f.Set {
		if !known(key) {
			return nil, fmt.Errorf("there is no setting %q", key)
		}
		v.Set(key, value)
	}
	if err := decode(v, c); err != nil {
		return nil, err
	}
	c.flags, c.file, c.Routing.Aliases = f, file, aliases
	if !listed {
		c.Providers, c.detected = detect()
	}
	return c, nil
}

// readFile parses a YAML file into maps, lists and scalars, and remembers its hash.
func (c *Config) readFile(file string) (map[string]any, error) {
	tree := map[string]any{}
	if file == "" {
		return tree, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c.content = sha256.Sum256(b)
	if err := yaml.Unmarshal(b, &tree); err != nil {
		var mismatch *yaml.TypeError
		if errors.As(err, &mismatch) {
			return nil, errors.New(strings.Join(mismatch.Errors, "; "))
		}
		return nil, err
	}
	return tree, nil
}

// withoutNulls leaves out keys that have no value, which would hide a default, and
// gives every provider the weight that it has by default.
func withoutNulls(tree map[string]any) {
	maps.DeleteFunc(tree, func(_ string, v any) bool { return v == nil })
	for _, v := range tree {
		if section, ok := v.(map[string]any); ok {
			withoutNulls(section)
		}
	}
	accounts, _ := tree["providers"].([]any)
	for _, a := range accounts {
		account := a.(map[string]any)
		withoutNulls(account)
		if _, weighted := account["weight"]; !weighted {
			account["weight"] = 1
		}
	}
}

// checkShape finds keys that do not exist and values that are a section, a list
// or a scalar where another of the three belongs.
func checkShape(path string, value any, t reflect.Type) error {
	switch t.Kind() {
	case reflect.Struct:
		return checkSection(path, value, t)
	case reflect.Slice:
		list, ok := value.([]any)
		if !ok {
			return fmt.Errorf("%s: want a list", path)
		}
		for i, e := range list {
			if err := checkShape(fmt.Sprintf("%s[%d]", path, i), e, t.Elem()); err != nil {
				return err
			}
		}
	case reflect.Map:
		if _, ok := value.(map[string]any); !ok {
			return fmt.Errorf("%s: want names and values", path)
		}
	default:
		if value == nil {
			return fmt.Errorf("%s: the value is missing", path)
		}
		if k := reflect.TypeOf(value).Kind(); k == reflect.Map || k == reflect.Slice {
			return fmt.Errorf("%s: want a single value", path)
		}
	}
	return nil
}

func checkSection(path string, value any, t reflect.Type) error {
	section, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("%s: want a section with %s", path, strings.Join(fieldNames(t), ", "))
	}
	for _, key := range slices.Sorted(maps.Keys(section)) {
		full := strings.TrimPrefix(path+"."+key, ".")
		i := slices.Index(fieldNames(t), key)
		if i < 0 {
			return fmt.Errorf("there is no setting %q; here belong %s", full, strings.Join(fieldNames(t), ", "))
		}
		if section[key] == nil {
			continue
		}
		if err := checkShape(full, section[key], t.Field(i).Type); err != nil {
			return err
		}
	}
	return nil
}

// fieldNames are the keys of a section, in the order of its fields; the fields
// without a key come last in every struct.
func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// settings maps the key of every scalar and list of scalars to its value.
func settings(section reflect.Value) map[string]any {
	all := map[string]any{}
	for i, name := range fieldNames(section.Type()) {
		field := section.Field(i)
		switch {
		case field.Kind() == reflect.Struct:
			for key, value := range settings(field) {
				all[name+"."+key] = value
			}
		case field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct, field.Kind() == reflect.Map:
		default:
			all[name] = field.Interface()
		}
	}
	return all
}

func known(key string) bool {
	_, ok := settings(reflect.ValueOf(Config{}))[key]
	return ok
}

func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// foreignVariables are those beginning with HALFPENNY_ that are no settings: ours
// for other purposes, and the ones that Kubernetes makes up for a service called halfpenny….
var foreignVariables = regexp.MustCompile(`^HALFPENNY_(CONFIG|SHARED|BENCH_.*|(.*_)?SERVICE_(HOST|PORT)(_.*)?|(.*_)?PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

func checkEnvironment(environ []string) error {
	ours := map[string]bool{}
	for key := range settings(reflect.ValueOf(Config{})) {
		ours[envName(key)] = true
	}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, envPrefix) && value != "" && !ours[name] && !foreignVariables.MatchString(name) {
			return fmt.Errorf("there is no setting for the environment variable %s", name)
		}
	}
	return nil
}

// takeAliases takes routing.aliases out of the tree, because its keys are names of
// models, which viper would put into lower case and cut at dots.
func takeAliases(tree map[string]any) (map[string]string, error) {
	aliases := map[string]string{}
	routing, _ := tree["routing"].(map[string]any)
	entries, _ := routing["aliases"].(map[string]any)
	for name, value := range entries {
		target, ok := value.(string)
		if !ok {
			return nil, fmt.Errorf("routing.aliases.%s: want the name of a model", name)
		}
		aliases[name] = target
	}
	delete(routing, "aliases")
	return aliases, nil
}

func decode(v *viper.Viper, c *Config) error {
	err := v.Unmarshal(c, viper.DecodeHook(convert), func(d *mapstructure.DecoderConfig) {
		d.TagName, d.WeaklyTypedInput = "yaml", false
	})
	var field *mapstructure.DecodeError
	if errors.As(err, &field) {
		key := field.Name()
		if name := envName(key); os.Getenv(name) != "" {
			key += " (" + name + ")"
		}
		return fmt.Errorf("%s: %w", key, field.Unwrap())
	}
	return err
}

// convert turns text, of the environment and of flags, into what a setting wants,
// and refuses what mapstructure would bend into shape. Its errors do not repeat values.
func convert(from, to reflect.Value) (any, error) {
	text, isText := from.Interface().(string)
	switch {
	case to.Type() == reflect.TypeFor[time.Duration]():
		return duration(from.Interface())
	case to.Type() == reflect.TypeFor[[]string]() && isText:
		return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }), nil
	case to.Type() == reflect.TypeFor[Decimal]() && from.CanInt():
		return strconv.FormatInt(from.Int(), 10), nil
	case to.Type() == reflect.TypeFor[Decimal]() && from.CanFloat():
		return strconv.FormatFloat(from.Float(), 'f', -1, 64), nil
	case to.Kind() == reflect.String && from.Kind() != reflect.String:
		return nil, fmt.Errorf("want text (in quotes), not %s", from.Kind())
	case to.Kind() == reflect.Bool && from.Kind() != reflect.Bool:
		b, err := strconv.ParseBool(text)
		return b, wanted(err, "true or false")
	case to.CanInt() && !from.CanInt():
		n, err := strconv.ParseInt(text, 10, 64)
		return n, wanted(err, "a whole number")
	case to.CanFloat() && !from.CanFloat() && !from.CanInt():
		n, err := strconv.ParseFloat(text, 64)
		return n, wanted(err, "a number")
	}
	return from.Interface(), nil
}

func wanted(err error, what string) error {
	if err == nil {
		return nil
	}
	return errors.New("want " + what)
}

func duration(from any) (any, error) {
	switch v := from.(type) {
	case time.Duration:
		return v, nil
	case string:
		d, err := time.ParseDuration(v)
		return d, wanted(err, "a duration such as 60s")
	}
	return nil, errors.New("want a duration such as 60s")
}
