//go:build race

package sdk

// raced has the gateway built with the race detector too.
const raced = true
