// Command train makes the difficulty model that ships from recorded outcomes:
// go run ./router/model/train. With -cv it measures such models on prompts that they
// have not seen instead.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "train:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	f := flag.NewFlagSet("train", flag.ContinueOnError)
	dir := f.String("data", filepath.Join(cmp.Or(os.Getenv("HALFPENNY_SHARED"), "../shared"), "routing"), "the `FOLDER` of the outcomes")
	to := f.String("out", "router/model/router.model", "the artefact's `FILE`")
	cv := f.Bool("cv", false, "measure instead")
	if err := f.Parse(args); err != nil {
		return err
	}
	d, err := load(*dir)
	if err != nil {
		return err
	}
	if *cv {
		d.crossValidate(out, usual)
		return nil
	}
	artefact := d.artefact()
	if err := os.WriteFile(*to, artefact, 0o644); err != nil { //nolint:gosec // it is part of the source
		return err
	}
	_, err = fmt.Fprintf(out, "%s: %d bytes from %d prompts, %d models\n", *to, len(artefact), len(d.examples), len(d.names))
	return err
}

// artefact trains on everything.
func (d *data) artefact() []byte {
	return train(d.examples, len(d.names), usual).parameters(d.names, d.examples).Append(nil)
}
