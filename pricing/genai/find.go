package genai

import "time"

// Find returns the entry that a name means at a provider of the list, and the
// provider whose entry it is: by the provider's own rules in their order, then by
// those of its fallbacks, then the same for a name whose date is written apart.
// This is how calcPrice looks it up. nil if there is none.
func Find(list []Provider, provider, name string) (*Provider, *Model) {
	p := byID(list, provider)
	if p == nil {
		return nil, nil
	}
	folded := Fold(name)
	if owner, m := p.find(list, folded); m != nil {
		return owner, m
	}
	if apart := DateApart(folded); apart != folded {
		return p.find(list, apart)
	}
	return nil, nil
}

func (p *Provider) find(list []Provider, folded string) (*Provider, *Model) {
	if m := p.own(folded); m != nil {
		return p, m
	}
	for _, id := range p.Fallback {
		if other := byID(list, id); other != nil {
			if m := other.own(folded); m != nil {
				return other, m
			}
		}
	}
	return nil, nil
}

func (p *Provider) own(folded string) *Model {
	for i := range p.Models {
		if p.Models[i].Match.Fits(folded) {
			return &p.Models[i]
		}
	}
	return nil
}

func byID(list []Provider, id string) *Provider {
	for i := range list {
		if list[i].ID == id {
			return &list[i]
		}
	}
	return nil
}

// DateApart writes dates such as -20250514 within a name as -2025-05-14, where
// the end, a dash or a colon follows them.
func DateApart(name string) string {
	const size = len("-20250514")
	for i := 0; i+size <= len(name); i++ {
		if name[i] != '-' || i+size < len(name) && name[i+size] != '-' && name[i+size] != ':' {
			continue
		}
		if _, err := time.Parse("-20060102", name[i:i+size]); err != nil || name[i+1:i+3] != "20" {
			continue
		}
		name = name[:i+5] + "-" + name[i+5:i+7] + "-" + name[i+7:]
		i += size + 1 // the date as it is now, less the step of the loop
	}
	return name
}
