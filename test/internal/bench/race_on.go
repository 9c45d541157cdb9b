//go:build race

package bench

// Raced has the gateway built with the race detector too.
const Raced = true
