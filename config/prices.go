package config

import (
	"errors"
	"fmt"
	"slices"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/provider"
)

// Prices are the operator's departures from the price list. Where several entries
// of one list fit a call, the most specific is in force; docs/prices.md has the order.
type Prices struct {
	Overrides []Override `yaml:"overrides"` // prices in place of the list's
	Discounts []Discount `yaml:"discounts"` // what an account is billed less
	Margins   []Margin   `yaml:"margins"`   // what a tenant is charged more
}

// Override is a price of one model. A class that is left out has its parent's price.
type Override struct {
	Tenant       string  `yaml:"tenant"`   // slug; empty: every tenant
	Provider     string  `yaml:"provider"` // name of an account or a kind; empty: every provider
	Model        string  `yaml:"model"`
	Tier         string  `yaml:"tier"`  // service tier; empty: all
	Input        Decimal `yaml:"input"` // dollars per million tokens, as all that follow
	CacheRead    Decimal `yaml:"cache_read"`
	CacheWrite5m Decimal `yaml:"cache_write_5m"`
	CacheWrite1h Decimal `yaml:"cache_write_1h"`
	Output       Decimal `yaml:"output"`
	Reasoning    Decimal `yaml:"reasoning"`
}

// Discount is what a provider's bill is less than its price list.
type Discount struct {
	Tenant   string  `yaml:"tenant"`
	Provider string  `yaml:"provider"`
	Model    string  `yaml:"model"`
	Percent  Decimal `yaml:"percent"`
}

// Margin is what is charged beyond the cost.
type Margin struct {
	Tenant   string  `yaml:"tenant"`
	Provider string  `yaml:"provider"`
	Model    string  `yaml:"model"`
	Percent  Decimal `yaml:"percent"`
}

// Decimal is the text of a decimal number, which no float has touched where it was
// written in quotes, and whose shortest form it is where it was not.
type Decimal string

// BasisPoints returns a percentage in hundredths of a per cent.
func (d Decimal) BasisPoints() (int64, error) {
	rate, err := llm.ParseRate(string(d)) // exact to nine decimals
	const unit = 10_000_000               // of 10⁻⁹ in 0.01
	if err != nil || rate%unit != 0 {
		return 0, fmt.Errorf("%q is not a percentage with at most two decimals", string(d))
	}
	return int64(rate) / unit, nil
}

func (c *Config) validatePrices() error {
	p := &c.Prices
	for i := range p.Overrides {
		o := &p.Overrides[i]
		if !c.provided(o.Provider) {
			return fmt.Errorf("prices.overrides[%d].provider: %q is neither a configured provider nor a kind", i, o.Provider)
		}
		if err := o.validate(); err != nil {
			return fmt.Errorf("prices.overrides[%d].%w", i, err)
		}
	}
	for i, d := range p.Discounts {
		if !c.provided(d.Provider) {
			return fmt.Errorf("prices.discounts[%d].provider: %q is neither a configured provider nor a kind", i, d.Provider)
		}
		if points, err := d.Percent.BasisPoints(); err != nil || points > 10_000 {
			return fmt.Errorf("prices.discounts[%d].percent: %q is not a percentage up to 100 with at most two decimals", i, d.Percent)
		}
	}
	for i, m := range p.Margins {
		if !c.provided(m.Provider) {
			return fmt.Errorf("prices.margins[%d].provider: %q is neither a configured provider nor a kind", i, m.Provider)
		}
		if points, err := m.Percent.BasisPoints(); err != nil || points > 100_000 {
			return fmt.Errorf("prices.margins[%d].percent: %q is not a percentage up to 1000 with at most two decimals", i, m.Percent)
		}
	}
	return nil
}

// provided reports whether a name is that of an account or a kind, or empty.
func (c *Config) provided(name string) bool {
	_, kind := provider.Lookup(name)
	return name == "" || kind || c.Account(name)
}

// Account reports whether a provider of that name is configured.
func (c *Config) Account(name string) bool {
	return slices.ContainsFunc(c.Providers, func(p Provider) bool { return p.Name == name })
}

// Serves reports whether a provider lists the model.
func (c *Config) Serves(model string) bool {
	return slices.ContainsFunc(c.Providers, func(p Provider) bool { _, listed := p.ModelNames()[model]; return listed })
}

func (o *Override) validate() error {
	switch {
	case o.Model == "":
		return errors.New("model: it must be named")
	case o.Input == "":
		return errors.New("input: the price is missing")
	case o.Output == "":
		return errors.New("output: the price is missing")
	}
	for _, price := range []struct {
		key  string
		text Decimal
	}{{"input", o.Input}, {"cache_read", o.CacheRead}, {"cache_write_5m", o.CacheWrite5m}, {"cache_write_1h", o.CacheWrite1h}, {"output", o.Output}, {"reasoning", o.Reasoning}} {
		if price.text == "" {
			continue
		}
		if _, err := llm.ParseRate(string(price.text)); err != nil {
			return fmt.Errorf("%s: %w", price.key, err)
		}
	}
	return nil
}
