package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the build; a plain go build leaves it to the build info.
var version = ""

func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func printVersion(_ context.Context, c *cli, args []string) error {
	var file string
	if err := parse(c.flags(&file), args); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.out, "halfpenny %s %s %s/%s\n", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
