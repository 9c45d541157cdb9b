// Command halfpenny is the gateway and its tools.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "halfpenny:", err)
		os.Exit(1)
	}
}

// command is one of the program's commands. A name of two words is a command of a group.
type command struct {
	name    string
	summary string
	run     func(ctx context.Context, c *cli, args []string) error
}

// cli is where a command writes: its result to out, everything else to err.
type cli struct {
	out, err io.Writer
	name     string
}

func commands() []command {
	return []command{
		{"serve", "run the gateway", serve},
		{"tenant create", "register a tenant and print its first key", tenantCreate},
		{"tenant list", "list the tenants", tenantList},
		{"tenant show", "show a tenant", tenantShow},
		{"tenant suspend", "refuse a tenant's requests", tenantSuspend},
		{"tenant resume", "accept a tenant's requests again", tenantResume},
		{"key create", "make an API key and print it", keyCreate},
		{"key list", "list a tenant's API keys", keyList},
		{"key revoke", "make an API key invalid", keyRevoke},
		{"key rotate", "replace an API key", keyRotate},
		{"route", "decide a request without sending it", route},
		{"prices show", "show the prices in force, of all models or of one", pricesShow},
		{"prices update", "take in a newer price list", pricesUpdate},
		{"prices check", "show what the prices rest on, and what a newer list would change", pricesCheck},
		{"migrate up", "bring every schema up to date", migrateUp},
		{"migrate status", "show the version of every schema", migrateStatus},
		{"healthcheck", "ask a running gateway whether it can serve", healthcheck},
		{"version", "print the version", printVersion},
	}
}

// run finds the command that args name and runs it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := &cli{out: stdout, err: stderr}
	for _, cmd := range commands() {
		words := strings.Fields(cmd.name)
		if len(args) >= len(words) && strings.Join(args[:len(words)], " ") == cmd.name {
			c.name = cmd.name
			return cmd.run(ctx, c, args[len(words):])
		}
	}
	usage(stderr)
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		return flag.ErrHelp
	}
	return fmt.Errorf("there is no command %q", strings.Join(args[:min(len(args), 2)], " "))
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "Usage: halfpenny COMMAND [FLAGS]")
	fmt.Fprintln(w)
	for _, cmd := range commands() {
		fmt.Fprintf(w, "  %-16s %s\n", cmd.name, cmd.summary)
	}
	fmt.Fprintln(w, "\nhalfpenny COMMAND -h shows a command's flags.")
}

// flags returns the command's flag set, with --config bound to file.
func (c *cli) flags(file *string) *flag.FlagSet {
	f := flag.NewFlagSet("halfpenny "+c.name, flag.ContinueOnError)
	f.SetOutput(c.err)
	f.StringVar(file, "config", "", "configuration `FILE` (default $HALFPENNY_CONFIG, or ./halfpenny.yaml if it exists)")
	return f
}

// parse parses args and refuses what is left over.
func parse(f *flag.FlagSet, args []string) error {
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%s: %q is not expected", f.Name(), f.Arg(0))
	}
	return nil
}
