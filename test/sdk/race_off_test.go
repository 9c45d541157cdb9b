//go:build !race

package sdk

const raced = false
