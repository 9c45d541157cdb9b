// Package traffic plays every recorded exchange with a provider through the running
// gateway: in the dialect that it was recorded in, at the gateway's path for it and by
// passthrough, where the answer must be the provider's byte for byte; and in each other
// dialect, where what the answer says must be.
package traffic
