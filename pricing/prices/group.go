package main

import (
	"slices"
	"strings"

	"github.com/generic-corp/halfpenny/pricing"
)

// prefixes are what stands before the names of a maker's models at OpenRouter, and
// other hosts of many makers.
var prefixes = map[string]string{
	"openai": "openai", "anthropic": "anthropic", "google": "gemini", "x-ai": "xai", "mistralai": "mistral", "mistral": "mistral",
	"moonshotai": "moonshot", "z-ai": "zai", "zai-org": "zai", "deepseek": "deepseek", "deepseek-ai": "deepseek", "cohere": "cohere",
	"perplexity": "perplexity", "minimax": "minimax", "minimaxai": "minimax", "qwen": "alibaba", "meta-llama": "meta", "meta": "meta",
	"amazon": "amazon", "nvidia": "nvidia", "microsoft": "microsoft", "writer": "writer", "ai21": "ai21",
}

// devOwner is what models.dev calls a maker, where neither we nor its provider do.
func devOwner(owner string) string {
	if owner == "zai" {
		return "zhipuai"
	}
	return owner
}

// owner is the maker that a name tells, else the kind of host.
func owner(kind, name string) string {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "@cf/"), "~")
	if kind == "bedrock" {
		for _, region := range []string{"us.", "global."} {
			name = strings.TrimPrefix(name, region)
		}
		name = strings.Replace(name, ".", "/", 1)
	}
	prefix, _, found := strings.Cut(strings.ToLower(name), "/")
	if maker := prefixes[prefix]; found && maker != "" {
		return maker
	}
	if kind == "vertex" && strings.HasPrefix(name, "claude") {
		return "anthropic"
	}
	return kind
}

// group returns the model that a host serves under a name, if that is certain.
// Either models.dev says so and the names agree, or OpenRouter calls it by its
// maker and exactly a name of the maker's. A name must hold a version: deepseek-chat
// is another model at every host and time. At its host the model must be able to do
// what it can elsewhere, since requests fail over between hosts.
func (b *builder) group(kind, name string, e *entry) *pricing.FileModel {
	if slices.Contains(b.list.Apart[kind], name) || strings.Contains(name, "latest") || !strings.ContainsAny(name, "0123456789") {
		return nil
	}
	var m *pricing.FileModel
	if prefix, rest, found := strings.Cut(name, "/"); found && kind == "openrouter" {
		if m = b.byName[rest]; m != nil && m.Owner != prefixes[prefix] {
			m = nil
		}
	}
	if m == nil && e != nil && sameName(kind, name, e.Base) {
		m = b.base[strings.ToLower(e.Base)]
	}
	if m == nil || slices.ContainsFunc(m.Hosts, func(h pricing.FileHost) bool { return h.Kind == kind }) || !able(m, e) {
		return nil
	}
	return m
}

// sameName reports whether a name at a host says what models.dev calls its base: a
// distilled or quantised model has a base too, and is another.
func sameName(kind, name, base string) bool {
	if base == "" {
		return false
	}
	last := func(s string) string {
		s = strings.ToLower(s[strings.LastIndexByte(s, '/')+1:])
		if prefix, rest, found := strings.Cut(s, "."); kind == "bedrock" && found && prefixes[prefix] != "" {
			s = rest
		}
		return strings.ReplaceAll(s, ".", "-")
	}
	return last(name) == last(base)
}

// able reports whether the model is known to do at the host what it can do. Where
// nothing is known of the model, nothing can be lost.
func able(m *pricing.FileModel, e *entry) bool {
	if e == nil {
		return m.Unverified
	}
	for _, modality := range m.Input {
		if !slices.Contains(e.Modalities.Input, modality) {
			return false
		}
	}
	return (e.Tools || !m.Tools) && (e.Structured || !m.JSONSchema) && (e.Reasoning || !m.Reasoning)
}
