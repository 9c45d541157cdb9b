// Package drill holds the reliability drills. Each runs the real binary as a
// process against a provider that streams, stalls, fails and cuts, does to it what
// an operator fears (SIGTERM, kill -9, a database that is gone, a full disk, a wrong
// file), and then holds the ledger against what the provider and the callers saw.
//
// Every drill runs on SQLite and on PostgreSQL. Under go test -race the binary is
// built with the race detector too, and a race in it fails the drill.
package drill
