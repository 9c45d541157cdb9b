// Package sdk holds the tests that drive the official client SDKs (npm and Go)
// against the running gateway, with recorded provider traffic behind it.
package sdk
