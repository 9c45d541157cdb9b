//go:build race

package bench

// raced has the gateway built with the race detector too.
const raced = true
